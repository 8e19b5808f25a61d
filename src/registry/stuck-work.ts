/** Ends stuck runs and sessions. The number of statements does not grow with their number. */
import { sql, type RawBuilder } from 'kysely';

import type { SessionRow, StoredSession } from '../model/session.ts';
import { yieldToWriters } from './yield-to-writers.ts';
import type { Connection, Database } from './sql/database.ts';
import type { EventType } from './log/events.ts';
import { toStorableText } from './sql/row-id.ts';
import { readSession } from './sessions/session-row.ts';

/** The maximum number of findings in one transaction. SQLite works in our thread, and nothing may block that for long. */
const MAX_FINDINGS_AT_ONCE = 250;

/** A stuck run or session with the time at which it last made progress. If that time has changed since, it is no longer stuck and stays. */
export type StuckFinding =
  | {
      readonly runId: string;
      /** The time of its last progress when it was found. */
      readonly seenAt: string;
      /** The reason, for its rows and events. */
      readonly message: string;
    }
  | {
      /** The id of a session without a run. */
      readonly sessionId: string;
      /** The time of its last use when it was found. */
      readonly seenAt: string;
      readonly message: string;
    };

/** The runs and sessions that were timed out. The caller must end the browsers of the sessions. */
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
   * Sets runs, their sessions, and sessions without a run to `timed_out`. The data of the runs stay. Their processes detect it by their
   * leases. Appends the events `session_timeout` and `run_ended`.
   */
  async timeOut(findings: readonly StuckFinding[]): Promise<TimedOut> {
    const runIds: string[] = [];
    const sessions: StoredSession[] = [];
    for (let from = 0; from < findings.length; from += MAX_FINDINGS_AT_ONCE) {
      if (from > 0) await yieldToWriters();
      const part = findings.slice(from, from + MAX_FINDINGS_AT_ONCE);
      const done = await this.#database.write((db) => this.#timeOut(db, part));
      runIds.push(...done.runIds);
      sessions.push(...done.sessions);
    }
    return { runIds, sessions };
  }

  /** Returns the rows as a table that is materialized once, instead of for each row that is compared with it. */
  #asRows(rows: readonly (readonly string[])[]): RawBuilder<unknown> {
    return sql`with seen(seen_id, seen_at, why) as materialized (
      select j.value ->> 0, j.value ->> 1, j.value ->> 2 from ${this.#database.dialect.jsonRows(JSON.stringify(rows))})`;
  }

  async #timeOut(db: Connection, findings: readonly StuckFinding[]): Promise<TimedOut> {
    const now = new Date().toISOString();
    const runsSeen = this.#asRows(
      findings.filter((one) => 'runId' in one).map((one) => [one.runId, one.seenAt, toStorableText(one.message)]),
    );
    const sessionsSeen = this.#asRows(
      findings
        .filter((one) => 'sessionId' in one)
        .map((one) => [one.sessionId, one.seenAt, toStorableText(one.message)]),
    );
    // Sessions are locked before runs, as in all transactions, so that there is no deadlock.
    await sql`${runsSeen} update sessions set lease_expires_ms = lease_expires_ms from seen
      where sessions.run_id = seen.seen_id and status in ('starting', 'active')`.execute(db);
    const { rows: runs } = await sql<{ id: string; owner: string; errorMessage: string }>`
      ${runsSeen} update runs set token = null, status = 'timed_out', error_code = 'run-timed-out', error_message = seen.why,
        ended_at = ${now}, updated_at = ${now}, cancelled = cancelled + queued + running, queued = 0, running = 0
      from seen
      where runs.id = seen.seen_id and status = 'processing'
        and coalesce(last_progress_at, started_at, created_at) = seen.seen_at
      returning runs.id, owner, error_message`.execute(db);
    const ended = this.#asRows(runs.map(({ id, errorMessage }) => [id, now, errorMessage]));
    const { rows: ofRuns } = await sql<SessionRow>`
      ${ended} update sessions set status = 'timed_out', ended_at = ${now}, error_message = seen.why
      from seen
      where sessions.run_id = seen.seen_id and status in ('starting', 'active') returning *`.execute(db);
    const { rows: alone } = await sql<SessionRow>`
      ${sessionsSeen} update sessions set status = 'timed_out', ended_at = ${now}, error_message = seen.why
      from seen
      where sessions.id = seen.seen_id and last_used_at = seen.seen_at and status in ('starting', 'active')
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
      ...closed.map(({ id, owner, runId, errorMessage }) =>
        event('session_timeout', owner, { sessionId: id, runId, message: errorMessage }),
      ),
      ...runs.map(({ id, owner, errorMessage }) =>
        event('run_ended', owner, { sessionId: null, runId: id, message: errorMessage }),
      ),
    ];
    await sql`insert into events (at, type, owner, session_id, run_id, status, message)
      select ${now}, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, 'timed_out', j.value ->> 4
      from ${this.#database.dialect.jsonRows(JSON.stringify(events))}`.execute(db);
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
