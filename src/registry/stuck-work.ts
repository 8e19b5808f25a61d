/** Ends what makes no progress: many at once, by statements whose number does not grow with them. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { sql } from 'kysely';

import type { Connection, Database } from './database.ts';
import type { EventType } from './events.ts';
import { toStorableText } from './row-id.ts';
import type { SessionsTable } from './schema.ts';
import { readSession, type StoredSession } from './session-row.ts';

/** SQLite works in our thread, and nothing may hold that up for long. */
const AT_ONCE = 250;

/** What was found to be stuck, and by which sign: where that has changed since, it moves again, and nothing is done. */
export type StuckFinding =
  | {
      readonly runId: string;
      /** Its last progress as it was seen. */
      readonly seenAt: string;
      /** What its rows and events say: why. */
      readonly message: string;
    }
  | {
      /** A session without a run. */
      readonly sessionId: string;
      /** Its last use as it was seen. */
      readonly seenAt: string;
      readonly message: string;
    };

/** What was timed out: runs by their ids, and the sessions whose browsers are now to be ended. */
export interface TimedOut {
  readonly runIds: readonly string[];
  readonly sessions: readonly StoredSession[];
}

export class StuckWork {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Runs get `timed_out`, with all that they have kept; so do their sessions, and those without a run. Their processes learn it from their
   * leases. Events `session_timeout` and `run_ended` tell of it.
   */
  async timeOut(findings: readonly StuckFinding[]): Promise<TimedOut> {
    const runIds: string[] = [];
    const sessions: StoredSession[] = [];
    for (let from = 0; from < findings.length; from += AT_ONCE) {
      if (from > 0) await nextTurn();
      const some = findings.slice(from, from + AT_ONCE);
      const done = await this.#database.write((db) => this.#timeOut(db, some));
      runIds.push(...done.runIds);
      sessions.push(...done.sessions);
    }
    return { runIds, sessions };
  }

  async #timeOut(db: Connection, findings: readonly StuckFinding[]): Promise<TimedOut> {
    const { dialect } = this.#database;
    const now = new Date().toISOString();
    const runsSeen = findings
      .filter((one) => 'runId' in one)
      .map((one) => [one.runId, one.seenAt, toStorableText(one.message)]);
    const sessionsSeen = findings
      .filter((one) => 'sessionId' in one)
      .map((one) => [one.sessionId, one.seenAt, toStorableText(one.message)]);
    // Sessions are locked before runs, as everywhere: whoever works on both never waits for each other.
    await sql`update sessions set lease_expires_ms = lease_expires_ms from ${dialect.jsonRows(JSON.stringify(runsSeen))}
      where sessions.run_id = j.value ->> 0 and status in ('starting', 'active')`.execute(db);
    const { rows: runs } = await sql<{ id: string; owner: string; error_message: string }>`
      update runs set token = null, status = 'timed_out', error_code = 'run-timed-out', error_message = j.value ->> 2,
        ended_at = ${now}, updated_at = ${now}, cancelled = cancelled + queued + running, queued = 0, running = 0
      from ${dialect.jsonRows(JSON.stringify(runsSeen))}
      where runs.id = j.value ->> 0 and status = 'processing'
        and coalesce(last_progress_at, started_at, created_at) = j.value ->> 1
      returning runs.id, owner, error_message`.execute(db);
    const ended = JSON.stringify(runs.map(({ id, error_message }) => [id, error_message]));
    const { rows: ofRuns } = await sql<SessionsTable>`
      update sessions set status = 'timed_out', ended_at = ${now}, error_message = j.value ->> 1
      from ${dialect.jsonRows(ended)}
      where sessions.run_id = j.value ->> 0 and status in ('starting', 'active') returning *`.execute(db);
    const { rows: alone } = await sql<SessionsTable>`
      update sessions set status = 'timed_out', ended_at = ${now}, error_message = j.value ->> 2
      from ${dialect.jsonRows(JSON.stringify(sessionsSeen))}
      where sessions.id = j.value ->> 0 and last_used_at = j.value ->> 1 and status in ('starting', 'active')
      returning *`.execute(db);
    const closed = [...ofRuns, ...alone];
    const event = (type: EventType, owner: string, { sessionId, runId, message }: EventParts) => [
      type,
      owner,
      sessionId,
      runId,
      message,
    ];
    const events = [
      ...closed.map(({ id, owner, run_id, error_message }) =>
        event('session_timeout', owner, { sessionId: id, runId: run_id, message: error_message }),
      ),
      ...runs.map(({ id, owner, error_message }) =>
        event('run_ended', owner, { sessionId: null, runId: id, message: error_message }),
      ),
    ];
    await sql`insert into events (at, type, owner, session_id, run_id, status, message)
      select ${now}, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, 'timed_out', j.value ->> 4
      from ${dialect.jsonRows(JSON.stringify(events))}`.execute(db);
    return {
      runIds: runs.map(({ id }) => id),
      sessions: closed.map(readSession).filter((session) => session !== undefined),
    };
  }
}

interface EventParts {
  readonly sessionId: string | null;
  readonly runId: string | null;
  readonly message: string | null;
}
