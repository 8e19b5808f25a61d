/** Plans a `sessions cleanup`: computes from the rows what it would do, and changes nothing. */
import type { SessionStatus } from '../../model/session.ts';
import { ConfigError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { Registry } from '../../registry/registry.ts';
import {
  isPresent,
  removalAgeHours,
  UnreleasedSessions,
  type CleanupKind,
  type CleanupRule,
} from '../../upkeep/upkeep.ts';
import { isSessionLeft } from './render-session.ts';

const HOUR_MS = 3_600_000;
/** A hundred years. Much larger numbers lead to invalid dates. */
const MAX_HOURS = 876_000;
const LAPSED_LIMIT = 10_000;
/** The options as commander parses them. */
export interface CleanupOptions {
  readonly failed?: boolean;
  readonly completed?: boolean;
  readonly all?: boolean;
  readonly olderThan?: string;
}

export interface CleanupRequest extends CleanupRule {
  /** The words of the command, without `--execute`. */
  readonly words: string;
}

export interface CleanupPlan {
  /** The number of rows to remove, by status. */
  readonly remove: Readonly<Record<string, number>>;
  /** The number of rows that stay, by status. */
  readonly keep: Readonly<Record<string, number>>;
  /** The numbers of sessions that are live only in their rows and expire first: their process is gone or no longer renews the lease. */
  readonly close: { readonly gone: number; readonly lapsed: number };
  /** The number of ended sessions that their endpoints, such as a Grid, may still have. They are ended there. */
  readonly unreleased: number;
  /** The ids of damaged rows. They are repaired first, and are dead then. */
  readonly damaged: readonly string[];
}

/** Throws `ConfigError` for options that can't be combined. */
export function toCleanupRequest({ failed, completed, all, olderThan }: CleanupOptions): CleanupRequest {
  const chosen = Object.entries({ failed, completed, all }).filter(([, isChosen]) => isChosen === true);
  if (chosen.length > 1)
    throw new ConfigError(`Choose one of ${chosen.map(([name]) => `--${name}`).join(' and ')}; --all means both.`);
  const kind = (chosen[0]?.[0] ?? 'policy') as CleanupKind;
  const hours = olderThan === undefined ? undefined : toHours(olderThan);
  if (hours !== undefined && (kind === 'failed' || kind === 'all'))
    throw new ConfigError(`--older-than can be used with --completed or alone; --${kind} takes no age.`);
  const flags = [
    ...(kind === 'policy' ? [] : [`--${kind}`]),
    ...(hours === undefined ? [] : [`--older-than ${hours}`]),
  ];
  return { kind, olderThanHours: hours, words: ['cleanup', ...flags].join(' ') };
}

export async function planCleanup(registry: Registry, request: CleanupRequest): Promise<CleanupPlan> {
  const now = new Date();
  const sessions = await registry.sessions.list();
  const gone = sessions.filter(isSessionLeft);
  const isPolicy = request.kind === 'policy';
  const unrenewed = isPolicy ? await registry.sessions.listLapsed({ limit: LAPSED_LIMIT }) : [];
  const lapsed = unrenewed.filter((session) => !isSessionLeft(session) && !isPresent(session));
  const closed = new Set([...gone, ...lapsed].map(({ id }) => id));
  const remove: Record<string, number> = {};
  const keep: Record<string, number> = {};
  for (const session of sessions) {
    const then = closed.has(session.id)
      ? { status: 'expired' as const, since: now.toISOString() }
      : { status: session.status, since: session.endedAt ?? session.createdAt };
    const tally = goes(then, request, now) ? remove : keep;
    tally[then.status] = (tally[then.status] ?? 0) + 1;
  }
  const damaged = await registry.sessions.listDamaged();
  // The age of a damaged row is known only after its repair. The policy depends on it; the other choices do not.
  if (damaged.length > 0 && !isPolicy) {
    const tally = removalAgeHours('dead', request) === undefined ? keep : remove;
    tally['dead'] = (tally['dead'] ?? 0) + damaged.length;
  }
  const unreleased = (await new UnreleasedSessions({ registry, gridUrl: undefined, log: silentLog }).list()).length;
  return { remove, keep, close: { gone: gone.length, lapsed: lapsed.length }, unreleased, damaged };
}

function goes(
  { status, since }: { readonly status: SessionStatus; readonly since: string },
  rule: CleanupRule,
  now: Date,
): boolean {
  const hours = removalAgeHours(status, rule);
  return hours !== undefined && now.getTime() - Date.parse(since) >= hours * HOUR_MS;
}

function toHours(text: string): number {
  const hours = Number(text);
  if (text.trim() !== '' && hours > 0 && hours <= MAX_HOURS) return hours;
  throw new ConfigError(
    `--older-than is ${JSON.stringify(text)}; it must be a number of hours above 0, and at most ${MAX_HOURS}.`,
  );
}
