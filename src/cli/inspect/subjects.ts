/** The names of runs, sessions and owners in texts for users. */
import { listSome } from '../../core/describe-number.ts';
import type { StoredRun } from '../../model/run.ts';
import type { StoredSession } from '../../model/session.ts';
import { toSafeLine } from '../terminal/safe-text.ts';
import { shorten } from '../terminal/text-width.ts';

/** The number of random letters at the end of a run's id. */
const RUN_LETTERS = 6;
const SESSION_LETTERS = 8;
/** The name of an owner can have any length. */
const MAX_OWNER_LETTERS = 40;
const MAX_OWNERS_NAMED = 5;

/** Returns the end of a run's id, which is enough to find it again. */
export function shortRunId({ id }: Pick<StoredRun, 'id'>): string {
  return id.slice(-RUN_LETTERS);
}

/** Returns the beginning of a session's id, which is enough to find it again. */
export function shortSessionId(id: string): string {
  return id.slice(0, SESSION_LETTERS);
}

/** `session 3f2a91c0 of "ann"`. */
export function nameSession({ id, owner }: Pick<StoredSession, 'id' | 'owner'>): string {
  return `session ${shortSessionId(id)} of "${nameOwner(owner)}"`;
}

export function nameOwner(owner: string): string {
  return shorten(toSafeLine(owner), MAX_OWNER_LETTERS);
}

/** `ann, bob and 3 more`. */
export function nameOwners(owners: readonly string[]): string {
  return listSome(owners.map(nameOwner), MAX_OWNERS_NAMED);
}
