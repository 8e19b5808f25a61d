/** The audit trail. An event is appended in the transaction of the change that it describes, and never changed. */
import type { Connection } from '../sql/database.ts';
import { toStorableText } from '../sql/row-id.ts';

export const EVENT_TYPES = [
  'session_starting',
  'session_started',
  'session_dead',
  'session_ended',
  'session_timeout',
  'session_warning',
  'session_expired',
  'session_removed',
  'run_started',
  'run_resumed',
  'run_ended',
  'run_cancel_requested',
  'run_removed',
  'cleanup',
  'alert_firing',
  'alert_recovered',
  'wrong_tokens',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface NewEvent {
  readonly type: EventType;
  readonly owner?: string | null;
  readonly sessionId?: string | null;
  readonly runId?: string | null;
  readonly status?: string | null;
  readonly message?: string | null;
  readonly data?: object;
}

/** Returns true if the audit trail has the removal of the run. */
export async function isRunRemoved(db: Connection, runId: string): Promise<boolean> {
  const event = await db
    .selectFrom('events')
    .select('id')
    .where('type', '=', 'run_removed')
    .where('runId', '=', runId)
    .executeTakeFirst();
  return event !== undefined;
}

export async function appendEvent(transaction: Connection, event: NewEvent): Promise<void> {
  const { type, owner = null, sessionId = null, runId = null, status = null, message = null, data } = event;
  await transaction
    .insertInto('events')
    .values({
      at: new Date().toISOString(),
      type,
      owner,
      sessionId,
      runId,
      status,
      message: message === null ? null : toStorableText(message),
      data: data === undefined ? null : toStorableText(JSON.stringify(data)),
    })
    .execute();
}
