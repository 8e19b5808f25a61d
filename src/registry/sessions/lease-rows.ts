/** Queries and changes within the transactions on leases. */
import { sql } from 'kysely';

import { LIVE_STATUSES, type SessionRow, type StoredSession } from '../../model/session.ts';
import type { Connection } from '../sql/database.ts';
import { LeaseLostError } from '../errors.ts';
import { appendEvent, type EventType } from '../log/events.ts';
import { observe } from '../log/histograms.ts';
import { toStoredSession } from './session-row.ts';

/** A second session of an owner within this time counts as a rapid create, unless it follows a death. */
const RAPID_CREATE_WINDOW_MS = 10_000;

const LEASE_LOST = { status: 'halted', code: 'lease-lost' } as const;
const RUN_ENDS = {
  ended: { status: 'halted', code: 'session-ended' },
  expired: LEASE_LOST,
  timed_out: { status: 'timed_out', code: 'run-timed-out' },
} as const;

/** Returns the end of a run whose session was taken away. */
export function endOfRun(sessionStatus: keyof typeof RUN_ENDS): (typeof RUN_ENDS)[keyof typeof RUN_ENDS] {
  return RUN_ENDS[sessionStatus];
}

/** Ends the runs of a lease that was taken away. They can continue only by a resume. */
export async function closeRuns(
  db: Connection,
  token: number,
  why: string,
  { status, code }: { readonly status: 'halted' | 'timed_out'; readonly code: string } = LEASE_LOST,
): Promise<void> {
  const now = new Date().toISOString();
  const closed = await db
    .updateTable('runs')
    .set({
      token: null,
      status,
      errorCode: code,
      errorMessage: why,
      endedAt: now,
      updatedAt: now,
      queued: 0,
      running: 0,
      cancelled: sql`cancelled + queued + running`,
    })
    .where('token', '=', token)
    .where('status', '=', 'processing')
    .returning(['id', 'owner'])
    .execute();
  for (const { id, owner } of closed)
    await appendEvent(db, { type: 'run_ended', owner, runId: id, status, message: why });
}

/**
 * Locks a session until the end of the transaction, so that its lease is not renewed meanwhile. Returns false if it was renewed since it
 * was read.
 */
export async function lockIfNotRenewed(db: Connection, id: string, leaseExpiresMs: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('sessions')
    .set({ leaseExpiresMs })
    .where('id', '=', id)
    .where('leaseExpiresMs', '=', leaseExpiresMs)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function findLive(db: Connection, owner: string): Promise<StoredSession | undefined> {
  const row = await db
    .selectFrom('sessions')
    .selectAll()
    .where('owner', '=', owner)
    .where('status', 'in', LIVE_STATUSES)
    .executeTakeFirst();
  return row === undefined ? undefined : toStoredSession(row);
}

/**
 * Returns true if the owner had another session within the last ten seconds. A session after a death or after a holder that vanished does
 * not count. Neither does a session whose owner is a run's id, because that run was stopped and is resumed.
 */
export async function isRapidCreate(db: Connection, { owner, runId = null }: RunOwner): Promise<boolean> {
  if (isOwnedByRun(owner, runId)) return false;
  const since = new Date(Date.now() - RAPID_CREATE_WINDOW_MS).toISOString();
  const recent = await db
    .selectFrom('sessions')
    .select(['epoch', 'status'])
    .where('owner', '=', owner)
    .where('createdAt', '>', since)
    .orderBy('token', 'desc')
    .orderBy('epoch', 'desc')
    .execute();
  return !['dead', 'expired'].includes(recent[0]?.status ?? '') && recent.some(({ epoch }) => epoch === 1);
}

/** Returns the owner as a label of metrics. Owners that are a run's id share the empty label, because there are as many as runs. */
export function toOwnerLabel({ owner, runId }: Pick<SessionRow, 'owner' | 'runId'>): string {
  return isOwnedByRun(owner, runId) ? '' : owner;
}

/** Returns true if the owner is the run's id, with the number of the session if the run has several. */
function isOwnedByRun(owner: string, runId: string | null): boolean {
  return runId !== null && owner.replace(/#\d+$/, '') === runId;
}

interface RunOwner {
  readonly owner: string;
  readonly runId?: string | null | undefined;
}

/** Records the time between the death of the previous session and the start of this one, in which the owner had no session. */
export async function observeRecovery(db: Connection, { token, epoch, startedAt }: SessionRow): Promise<void> {
  if (epoch === 1 || startedAt === null) return;
  const before = await db
    .selectFrom('sessions')
    .select('endedAt')
    .where('token', '=', token)
    .where('epoch', '=', epoch - 1)
    .where('status', '=', 'dead')
    .executeTakeFirst();
  if (typeof before?.endedAt !== 'string') return;
  await observe(db, 'session_recovery', Date.parse(startedAt) - Date.parse(before.endedAt));
}

export async function makeLeaseLostError(db: Connection, id: string): Promise<LeaseLostError> {
  const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
  const now = row === undefined ? 'gone from the registry' : `${row.status} by now`;
  const { errorMessage: reason = null } = row ?? {};
  const why = reason === null ? '' : `: ${reason}`;
  return new LeaseLostError(`The session ${id} no longer belongs to this process; it is ${now}${why}.`, {
    data: { sessionId: id, status: row?.status ?? 'removed' },
  });
}

export async function appendSessionEvent(
  db: Connection,
  type: EventType,
  { id, owner, runId, status, errorMessage }: Pick<SessionRow, 'id' | 'owner' | 'runId' | 'status' | 'errorMessage'>,
  data?: object,
): Promise<void> {
  await appendEvent(db, {
    type,
    owner,
    sessionId: id,
    runId,
    status,
    message: errorMessage,
    ...(data === undefined ? {} : { data }),
  });
}
