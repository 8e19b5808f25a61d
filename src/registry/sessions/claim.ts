/** The claim on an owner, and the facts about the session that results from it. */
import type { Insertable } from 'kysely';

import type { SessionRow, StoredSession } from '../../model/session.ts';

/** A request for an owner. */
export interface Claim {
  /** The id of the new session. The caller chooses it, so that a repeated claim after a lost answer finds it. */
  readonly id: string;
  readonly owner: string;
  /** The manager that claims. */
  readonly holder: string;
  readonly process: { readonly host: string; readonly pid: number; readonly identity: string };
  readonly leaseMs: number;
  readonly runId?: string | undefined;
  /** Ids of sessions whose process is known to be gone, so that their lease need not expire first. */
  readonly goneIds?: readonly string[];
  /**
   * The owner's session as it was two renewal intervals ago, when its lease had expired. It is taken over only if it was not renewed since:
   * clocks may differ, and a machine that slept needs a moment.
   */
  readonly lapsed?: Pick<StoredSession, 'id' | 'leaseExpiresMs'>;
}

export type ClaimResult =
  | {
      readonly isClaimed: true;
      readonly session: StoredSession;
      readonly expired: StoredSession | null;
      readonly isRapid: boolean;
    }
  | { readonly isClaimed: false; readonly heldBy: StoredSession; readonly leaseLeftMs: number };

/** The facts about a session that are known when its browser runs. */
export interface SessionFacts {
  readonly webdriverId: string;
  readonly driverPid: number | undefined;
  readonly browserPid: number | undefined;
  readonly folder: string | undefined;
  readonly endpoint: string | undefined;
  /** See `StoredSession`. */
  readonly liveView?: string | undefined;
}

export interface Renewal {
  readonly id: string;
  readonly lastHeartbeatAt: string | null;
  readonly lastUsedAt: string;
}

/** Returns the row of a claimed session until its browser runs. */
export function toRow(
  { id, owner, holder, process, runId }: Claim,
  { token, epoch, leaseExpiresMs }: { token: number; epoch: number; leaseExpiresMs: number },
): Insertable<SessionRow> {
  const now = new Date().toISOString();
  return {
    id,
    owner,
    status: 'starting',
    token,
    holder,
    leaseExpiresMs,
    epoch,
    runId: runId ?? null,
    host: process.host,
    pid: process.pid,
    processIdentity: process.identity,
    createdAt: now,
    lastUsedAt: now,
  };
}

/** Returns the row of the session after a dead one, with the same holder and the same token. */
export function toNextRow(dead: SessionRow, id: string): Insertable<SessionRow> {
  const { webdriverId, driverPid, browserPid, folder, endpoint, liveView, releasedAt, ...row } = dead;
  const { startedAt, endedAt, death, errorMessage, ...kept } = row;
  return { ...kept, id, status: 'starting', epoch: dead.epoch + 1, createdAt: new Date().toISOString() };
}
