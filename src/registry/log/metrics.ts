/** The numbers of the registry. Totals outlive the rows from which they were counted. */
import { sql } from 'kysely';

import { ENDED_STEPS, type StoredRunStatus } from '../../model/run.ts';
import { LIVE_STATUSES, SESSION_STATUSES, type SessionStatus, isLive } from '../../model/session.ts';
import { count, type CounterName } from './counters.ts';
import type { Database } from '../sql/database.ts';
import { appendEvent } from './events.ts';
import { toHistogram, type StoredHistogram } from './histograms.ts';

/** The number of deaths with the same cause, detector and reason. The reason of deaths before version 0.3 is `unknown`. */
export interface DeathCount {
  readonly cause: string;
  readonly detectedBy: string;
  readonly reason: string;
  readonly number: number;
}

export interface RegistryMetrics {
  /** The number of created sessions by owner, restarts included. The empty name has the sessions of runs without their own owner. */
  readonly sessionsCreated: Readonly<Record<string, number>>;
  /** The number of steps and items that began on an existing session. */
  readonly sessionsReused: number;
  /** Reused / (reused + created); null if both are 0. */
  readonly reuseRatio: number | null;
  /** The number of sessions that were created within 10 s of another one of the same owner. Restarts after a death do not count. */
  readonly rapidCreates: number;
  /** The number of steps and items that used another session than the one with which they began. */
  readonly contextLosses: number;
  /** Owners with more than one live session; the unique index prevents them. */
  readonly duplicateOwners: readonly string[];
  readonly deaths: readonly DeathCount[];
  readonly workCancelled: Readonly<Record<string, number>>;
  readonly sessionsByStatus: Readonly<Partial<Record<SessionStatus, number>>>;
  readonly runsByStatus: Readonly<Partial<Record<StoredRunStatus, number>>>;
  readonly averageSessionSeconds: number | null;
  readonly cleanups: {
    readonly runs: number;
    readonly removed: number;
    readonly failures: number;
    readonly lastAt: string | null;
  };
  /** The numbers of finished steps and items by their latest status, including those of removed runs. */
  readonly stepsByStatus: Readonly<Record<string, number>>;
  /** The times from the last heartbeat to the declared death. */
  readonly deathDetection: StoredHistogram;
  /** The times from a death to the next active session. */
  readonly recovery: StoredHistogram;
  readonly registryBytes: number;
}

export class Metrics {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async count(name: Exclude<CounterName, 'lease_token'>, options?: { by?: number; label?: string }): Promise<void> {
    await this.#database.write((db) => count(db, name, options));
  }

  async read(): Promise<RegistryMetrics> {
    const counters = await this.#database.read((db) => db.selectFrom('counters').selectAll().execute());
    const byLabel = (name: CounterName) =>
      Object.fromEntries(counters.filter((row) => row.name === name).map(({ label, value }) => [label, value]));
    const total = (name: CounterName) => Object.values(byLabel(name)).reduce((sum, value) => sum + value, 0);
    const runs = await this.#ofRuns();
    const sessionsReused = total('sessions_reused') + runs.reused;
    const created = total('sessions_created');
    return {
      sessionsCreated: byLabel('sessions_created'),
      sessionsReused,
      reuseRatio: sessionsReused + created === 0 ? null : sessionsReused / (sessionsReused + created),
      rapidCreates: total('rapid_session_creates'),
      contextLosses: total('context_losses') + runs.contextLosses,
      duplicateOwners: await this.#duplicateOwners(),
      deaths: toDeathCounts(byLabel('session_deaths')),
      workCancelled: byLabel('work_cancelled'),
      sessionsByStatus: await this.#byStatus('sessions'),
      runsByStatus: await this.#byStatus('runs'),
      averageSessionSeconds: await this.#averageSessionSeconds(),
      cleanups: {
        runs: total('cleanup_runs'),
        removed: total('cleanup_removed'),
        failures: total('cleanup_failures'),
        lastAt: await this.#lastCleanupAt(),
      },
      stepsByStatus: await this.#stepsByStatus(byLabel('run_steps')),
      deathDetection: toHistogram(byLabel('session_death_detection')),
      recovery: toHistogram(byLabel('session_recovery')),
      registryBytes: await this.#database.read((db) => this.#database.dialect.sizeBytes(db)),
    };
  }

  /** Counts a clean-up and appends it to the audit trail. */
  async recordCleanup(done: {
    readonly what: string;
    readonly removed: number;
    readonly durationMs: number;
    readonly errors: readonly string[];
  }): Promise<void> {
    await this.#database.write(async (db) => {
      await count(db, 'cleanup_runs');
      if (done.removed > 0) await count(db, 'cleanup_removed', { by: done.removed });
      if (done.errors.length > 0) await count(db, 'cleanup_failures');
      await appendEvent(db, { type: 'cleanup', message: `${done.what}: ${done.removed} removed`, data: done });
    });
  }

  async #stepsByStatus(ofRemoved: Readonly<Record<string, number>>): Promise<Record<string, number>> {
    const sum = (column: string) => sql<number>`cast(coalesce(sum(${sql.ref(column)}), 0) as bigint)`;
    const sums = await this.#database.read((db) =>
      db
        .selectFrom('runs')
        .select(ENDED_STEPS.map((status) => sum(status).as(status)))
        .executeTakeFirstOrThrow(),
    );
    return Object.fromEntries(ENDED_STEPS.map((status) => [status, sums[status] + (ofRemoved[status] ?? 0)]));
  }

  async #lastCleanupAt(): Promise<string | null> {
    const event = await this.#database.read((db) =>
      db
        .selectFrom('events')
        .select('at')
        .where('type', '=', 'cleanup')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst(),
    );
    return event?.at ?? null;
  }

  async #duplicateOwners(): Promise<string[]> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .select('owner')
        .where('status', 'in', LIVE_STATUSES)
        .groupBy('owner')
        .having((eb) => eb.fn.countAll(), '>', 1)
        .execute(),
    );
    return rows.map(({ owner }) => owner);
  }

  /** Returns the sums of the existing runs. Those of removed runs are counters. */
  async #ofRuns(): Promise<{ readonly reused: number; readonly contextLosses: number }> {
    const sums = await this.#database.read((db) =>
      db
        .selectFrom('runs')
        .select([
          sql<number>`cast(coalesce(sum(reused), 0) as bigint)`.as('reused'),
          sql<number>`cast(coalesce(sum(context_losses), 0) as bigint)`.as('contextLosses'),
        ])
        .executeTakeFirstOrThrow(),
    );
    return sums;
  }

  async #byStatus(table: 'sessions' | 'runs'): Promise<Record<string, number>> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom(table)
        .select(['status', (eb) => eb.fn.countAll<number>().as('number')])
        .groupBy('status')
        .execute(),
    );
    return Object.fromEntries(rows.map(({ status, number }) => [status, number]));
  }

  /** Averages the last thousand sessions of each status. Times are text, which the databases subtract differently, so it is done here. */
  async #averageSessionSeconds(): Promise<number | null> {
    const over = sql<string>`coalesce(ended_at, created_at)`;
    const seconds: number[] = [];
    for (const status of SESSION_STATUSES.filter((one) => !isLive({ status: one }) && one !== 'standby')) {
      const rows = await this.#database.read((db) =>
        db
          .selectFrom('sessions')
          .select(['startedAt', 'endedAt'])
          .where('status', '=', status)
          .orderBy(over, 'desc')
          .limit(1_000)
          .execute(),
      );
      const lasted = rows.map(({ startedAt, endedAt }) => Date.parse(endedAt ?? '') - Date.parse(startedAt ?? ''));
      seconds.push(...lasted.filter((ms) => !Number.isNaN(ms)).map((ms) => ms / 1_000));
    }
    return seconds.length === 0 ? null : seconds.reduce((sum, value) => sum + value, 0) / seconds.length;
  }
}

function toDeathCounts(byLabel: Readonly<Record<string, number>>): DeathCount[] {
  const counts = Object.entries(byLabel).map(([label, number]) => {
    const [cause = '', detectedBy = '', reason = 'unknown'] = label.split(' ');
    return { cause, detectedBy, reason, number };
  });
  // Labels without a reason were written by version 0.2; together with those of the reason `unknown` they are one number.
  const groups = Map.groupBy(counts, ({ cause, detectedBy, reason }) => `${cause} ${detectedBy} ${reason}`);
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...first, number: others.reduce((sum, { number }) => sum + number, first.number) }],
  );
}
