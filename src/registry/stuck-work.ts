/** Ends what makes no progress: many at once, by statements whose number does not grow with them. */
import { sql, type RawBuilder } from 'kysely';

import type { SessionRow, StoredSession } from '../model/session.ts';
import { yieldToWriters, type Connection, type Database } from './sql/database.ts';
import type { EventType } from './log/events.ts';
import { toStorableText } from './sql/row-id.ts';
import { readSession } from './sessions/session-row.ts';

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
      if (from > 0) await yieldToWriters();
      const some = findings.slice(from, from + AT_ONCE);
      const done = await this.#database.write((db) => this.#timeOut(db, some));
      runIds.push(...done.runIds);
      sessions.push(...done.sessions);
    }
    return { runIds, sessions };
  }

  /** As a table that is made once, and not read anew for each row that it is compared with. */
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
    // Sessions are locked before runs, as everywhere: whoever works on both never waits for each other.
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
