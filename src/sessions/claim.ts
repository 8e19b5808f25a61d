/** Claims an owner for this manager, also from a process that is certain to be gone, whose lease then does not have to expire first. */
import type { StoredSession } from '../model/session.ts';
import { delay } from '../core/abort.ts';
import { ConfigError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Claim, SessionLeases } from '../registry/registry.ts';
import { SessionBusyError } from './errors.ts';
import { isAbandoned } from '../upkeep/upkeep.ts';

const MAX_OWNER_LENGTH = 200;

export interface ClaimedOwner {
  readonly session: StoredSession;
  /** The previous session, whose browser may still exist. */
  readonly expired: StoredSession | null;
}

interface ClaimOptions {
  readonly leases: SessionLeases;
  /** The time that a holder with an expired lease gets to renew it. */
  readonly renewEveryMs: number;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Throws {@link SessionBusyError} if another process holds the owner. */
export async function claimOwner(
  claim: Claim,
  { leases, renewEveryMs, signal, log }: ClaimOptions,
): Promise<ClaimedOwner> {
  let result = await leases.claim(claim);
  if (!result.isClaimed && isAbandoned(result.heldBy)) {
    result = await leases.claim({ ...claim, goneIds: [result.heldBy.id] });
  } else if (!result.isClaimed && result.leaseLeftMs <= 0) {
    // One that lives renews it within an interval, and the renewal takes a while itself.
    await delay(2 * renewEveryMs, signal);
    result = await leases.claim({ ...claim, lapsed: result.heldBy });
  }
  if (!result.isClaimed) throw new SessionBusyError(result.heldBy, { waitedMs: 0 });
  const { session, expired, isRapid } = result;
  const { owner } = claim;
  if (isRapid)
    log.warn('Sessions of one owner are started in quick succession; start one and pass it down instead', { owner });
  if (expired !== null) {
    const { host, pid } = expired;
    log.warn('The owner was taken over from a process that did not renew its lease', { owner, host, pid });
  }
  return { session, expired };
}

/** Throws `ConfigError` if the owner can't be used. Owners appear in logs, file names and command lines. */
export function validateOwner(owner: string): void {
  const isUsable =
    typeof owner === 'string' &&
    owner.trim() !== '' &&
    owner.length <= MAX_OWNER_LENGTH &&
    owner.isWellFormed() &&
    !/\p{Cc}/u.test(owner);
  if (isUsable) return;
  throw new ConfigError(
    `The owner ${JSON.stringify(owner)?.slice(0, 80)} can't be used; an owner is a text of 1 to ${MAX_OWNER_LENGTH} printable characters.`,
  );
}
