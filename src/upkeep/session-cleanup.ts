/** Removes unused sessions and old rows, in batches, without blocking running work, and periodically on request. */

import { delay, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { Periodic } from '../core/periodic.ts';
import { yieldToWriters } from '../registry/registry.ts';
import {
  DEFAULT_CLEANUP_POLICY,
  REMOVABLE_STATUSES,
  removalAgeHours,
  type CleanupPolicy,
  type CleanupRule,
} from './cleanup-policy.ts';
import { CleanupError } from './errors.ts';
import { endLeftovers, isAbandoned, isPresent, type ReaperOptions } from './reaper.ts';
import { removeOldEvents, removeOldRuns, removeOldSessions, type RetentionOptions } from './retention.ts';
import type { SessionStatistics } from './statistics.ts';

export interface SessionMetrics {
  readonly active: number;
  readonly expired: number;
  readonly cleanupRuns: number;
  readonly lastCleanupAt: string | null;
  readonly averageSessionSeconds: number | null;
  readonly memoryBytes: number;
}

export interface SessionCleanupOptions {
  readonly reaper: ReaperOptions;
  readonly policy: Partial<CleanupPolicy> | undefined;
  /** The time in milliseconds for which runs, their records and events are stored. */
  readonly retentionMs: number;
  readonly intervalMs: number;
  readonly batchSize: number | undefined;
  /** A process that lives renews its leases as often, or more often. */
  readonly heartbeatIntervalMs: number;
  /** Returns how much of the time since `timeMs` this machine slept, in milliseconds. Default: none. */
  readonly pausedSince?: (timeMs: number) => number;
  /** Ends this process's own sessions that were idle for `maxAgeMs`. Returns their number. */
  readonly endIdle: (maxAgeMs: number) => Promise<number>;
  readonly describe: () => Promise<SessionStatistics>;
  readonly onDone: (done: { readonly removed: number; readonly failed: number }) => void;
}

export interface StartOptions {
  readonly intervalMs?: number;
  readonly firstInMs?: number;
}

const HOUR_MS = 3_600_000;
/** A renewal begins at the end of an interval, and takes a while itself. */
const MAX_RENEWAL_INTERVALS = 2;
const STOP_LIMIT_MS = 10_000;
/** The number of rows that SQLite removes within a few milliseconds. */
const SQLITE_BATCH = 400;
const POSTGRES_BATCH = 1_000;

export class SessionCleanup {
  readonly #options: SessionCleanupOptions;
  readonly #rounds: Periodic;
  #policy: CleanupPolicy;
  #intervalMs: number;
  #batchSize: number;
  #cleaning: Promise<number> | undefined;
  #stopping = new AbortController();

  constructor(options: SessionCleanupOptions) {
    this.#options = options;
    this.#policy = { ...DEFAULT_CLEANUP_POLICY, ...options.policy };
    this.#intervalMs = options.intervalMs;
    this.#batchSize = options.batchSize ?? (options.reaper.registry.kind === 'sqlite' ? SQLITE_BATCH : POSTGRES_BATCH);
    this.#rounds = new Periodic({
      name: 'The clean-up',
      intervalMs: options.intervalMs,
      ...(options.pausedSince && { pausedSince: options.pausedSince }),
      log: options.reaper.log,
      work: () => this.#round(),
    });
  }

  /** True if no scheduler was started, or if the scheduler has run within twice its interval. */
  get isAlive(): boolean {
    return this.overdueMs <= this.#intervalMs;
  }

  /** The time in milliseconds by which the scheduler is overdue; 0 if none was started. */
  get overdueMs(): number {
    return this.#rounds.overdueMs;
  }

  reconfigure({
    policy,
    cleanupIntervalMs,
    cleanupBatchSize,
  }: {
    readonly policy?: Partial<CleanupPolicy>;
    readonly cleanupIntervalMs?: number;
    readonly cleanupBatchSize?: number;
  }): void {
    this.#policy = { ...this.#policy, ...policy };
    this.#batchSize = cleanupBatchSize ?? this.#batchSize;
    if (cleanupIntervalMs === undefined) return;
    this.#setInterval(cleanupIntervalMs);
  }

  /** Starts the scheduler. The first round comes after `firstInMs`, by default one interval. */
  start({ intervalMs = this.#intervalMs, firstInMs = intervalMs }: StartOptions = {}): void {
    this.#setInterval(intervalMs);
    this.#rounds.start({ firstInMs });
  }

  /** Stops the scheduler, and waits at most 10 s for the round in progress. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('The clean-up is stopped.'));
    await settlesWithin(Promise.all([this.#rounds.stop(), this.#cleaning?.catch(() => undefined)]), STOP_LIMIT_MS);
    this.#stopping = new AbortController();
  }

  #setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#rounds.setInterval(intervalMs);
  }

  inactive(maxAgeMs: number): Promise<number> {
    return this.#run('inactive sessions', [
      () => this.#options.endIdle(maxAgeMs),
      (failures) => this.#closeLapsed(maxAgeMs, failures),
    ]);
  }

  failed(olderThanHours: number): Promise<number> {
    return this.#run('failed sessions', [(failures) => this.#removeRows({ kind: 'failed', olderThanHours }, failures)]);
  }

  completed(olderThanHours: number): Promise<number> {
    return this.#run('ended sessions', [
      (failures) => this.#removeRows({ kind: 'completed', olderThanHours }, failures),
    ]);
  }

  all(): Promise<number> {
    return this.#run('all sessions', [(failures) => this.#removeRows({ kind: 'all' }, failures)]);
  }

  /** Cleans up once by policy. Rounds never overlap: a call during a round gets the result of that round. */
  byPolicy(): Promise<number> {
    this.#cleaning ??= this.#run('sessions by policy', [
      (failures) => this.#closeLapsed(0, failures),
      (failures) => this.#removeRows({ kind: 'policy', policy: this.#policy }, failures),
      // This reads every row, so it comes after the removals.
      (failures) => this.#mendDamaged(failures),
      (failures) => removeOldRuns(this.#retention(failures)),
      (failures) => removeOldEvents(this.#retention(failures)),
    ]).finally(() => (this.#cleaning = undefined));
    return this.#cleaning;
  }

  async metrics(): Promise<SessionMetrics> {
    const { registry } = this.#options.reaper;
    const { sessionsByStatus, averageSessionSeconds, cleanups } = await registry.metrics.read();
    return {
      active: (sessionsByStatus.active ?? 0) + (sessionsByStatus.starting ?? 0),
      expired: sessionsByStatus.expired ?? 0,
      cleanupRuns: cleanups.runs,
      lastCleanupAt: cleanups.lastAt,
      averageSessionSeconds,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  /** Cleans up by policy, then logs one line with the statistics. */
  async #round(): Promise<void> {
    const { reaper, describe } = this.#options;
    await this.byPolicy();
    const { total, capacity, utilisation, byStatus, averageAgeMs } = await describe();
    reaper.log.info('Sessions', { total, capacity, utilisation, byStatus, averageAgeMs });
  }

  /** Runs one clean-up, counts and measures it, and records it. The failure of one part does not stop the others. */
  async #run(what: string, parts: readonly ((failures: Error[]) => Promise<number>)[]): Promise<number> {
    const { reaper, onDone } = this.#options;
    const { registry, log } = reaper;
    const startedAt = performance.now();
    const bytesBefore = process.memoryUsage.rss();
    const failures: Error[] = [];
    let removed = 0;
    for (const part of parts) removed += await attempt(failures, 0, () => part(failures));
    const durationMs = Math.round(performance.now() - startedAt);
    const freedBytes = Math.max(0, bytesBefore - process.memoryUsage.rss());
    const errors = failures.map(({ message }) => message);
    log.info(`Cleaned up ${what}`, { removed, durationMs, freedBytes, errors });
    await attempt(failures, undefined, () => registry.metrics.recordCleanup({ what, removed, durationMs, errors }));
    onDone({ removed, failed: failures.length });
    if (failures.length === 0) return removed;
    const words = failures.map(({ message }) => message).join('; ');
    throw new CleanupError(
      `The clean-up of ${what} handled ${removed}, and failed for ${failures.length}: ${words}. The next clean-up tries again.`,
      { cause: failures[0], data: { removed, failed: failures.length } },
    );
  }

  /** Closes live rows whose lease is not renewed because their process is gone, on this machine or elsewhere. */
  async #closeLapsed(forMs: number, failures: Error[]): Promise<number> {
    const { reaper, heartbeatIntervalMs } = this.#options;
    const { registry } = reaper;
    const { signal } = this.#stopping;
    const seen = new Set<string>();
    let closed = 0;
    let hasWaited = false;
    for (;;) {
      const lapsed = await registry.sessions.listLapsed({ limit: this.#batchSize + seen.size, forMs });
      const fresh = lapsed.filter(({ id }) => !seen.has(id));
      const unrenewed = fresh.filter((session) => !isPresent(session));
      // When the database's clock is set, the leases of all that live run out at once: they renew them within an interval.
      if (!hasWaited && !unrenewed.every(isAbandoned)) {
        await delay(MAX_RENEWAL_INTERVALS * heartbeatIntervalMs, signal).catch(() => undefined);
        hasWaited = true;
      }
      if (fresh.length === 0 || signal.aborted) return closed;
      for (const { id } of fresh) seen.add(id);
      for (const session of unrenewed) {
        await attempt(failures, undefined, async () => {
          const { id, leaseExpiresMs } = session;
          const message = 'its lease was not renewed';
          const revoked = await registry.leases.revoke(id, { status: 'expired', message, leaseExpiresMs });
          if (revoked === undefined) return;
          closed += 1;
          await endLeftovers(session, reaper);
        });
      }
      await yieldToWriters();
    }
  }

  async #mendDamaged(failures: Error[]): Promise<number> {
    const { sessions } = this.#options.reaper.registry;
    let mended = 0;
    for (const id of await sessions.listDamaged()) {
      await attempt(failures, undefined, async () => {
        await sessions.recoverDamaged(id);
        mended += 1;
      });
    }
    return mended;
  }

  #retention(failures: Error[]): RetentionOptions {
    const { reaper, retentionMs } = this.#options;
    return {
      registry: reaper.registry,
      retentionMs,
      batchSize: this.#batchSize,
      onFailure: (thrown) => failures.push(toError(thrown)),
    };
  }

  async #removeRows(rule: CleanupRule, failures: Error[]): Promise<number> {
    let removed = 0;
    for (const status of REMOVABLE_STATUSES) {
      const hours = removalAgeHours(status, rule);
      if (hours === undefined) continue;
      const before = new Date(Date.now() - hours * HOUR_MS + 1).toISOString();
      removed += await removeOldSessions({ ...this.#retention(failures), status, before });
    }
    return removed;
  }
}

/** Returns the result of `work`. If it fails, the error is added to `failures`, and `otherwise` is returned. */
async function attempt<Value>(failures: Error[], otherwise: Value, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (thrown) {
    failures.push(toError(thrown));
    return otherwise;
  }
}
