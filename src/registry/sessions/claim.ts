/** A claim on an owner, and what is known of a session that came of one. */
import type { Insertable } from 'kysely';

import type { SessionRow, StoredSession } from '../../model/session.ts';

/** Who asks for an owner. */
export interface Claim {
  /** Of the session to be; chosen by the caller, so that asking again after a lost answer finds it. */
  readonly id: string;
  readonly owner: string;
  /** The manager that asks. */
  readonly holder: string;
  readonly process: { readonly host: string; readonly pid: number; readonly identity: string };
  readonly leaseMs: number;
  readonly runId?: string | undefined;
  /** Sessions whose process is known to be gone: their lease needs not run out first. */
  readonly goneIds?: readonly string[];
  /**
   * The owner's session as it was seen two renewal intervals ago, when its lease had run out. It is taken over only if it was not renewed since:
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

/** What is known of a session once its browser runs. */
export interface SessionFacts {
  readonly webdriverId: string;
  readonly driverPid: number | undefined;
  readonly browserPid: number | undefined;
  readonly folder: string | undefined;
  readonly endpoint: string | undefined;
}

export interface Renewal {
  readonly id: string;
  readonly lastHeartbeatAt: string | null;
  readonly lastUsedAt: string;
}

/** The row that stands for it until its browser runs. */
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

/** The row of the session that follows one that died: the same holder, the same token. */
export function toNextRow(dead: SessionRow, id: string): Insertable<SessionRow> {
  const { webdriverId, driverPid, browserPid, folder, endpoint, startedAt, endedAt, death, errorMessage, ...kept } =
    dead;
  return { ...kept, id, status: 'starting', epoch: dead.epoch + 1, createdAt: new Date().toISOString() };
}
