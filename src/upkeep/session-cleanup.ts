/** Clears away what is over: sessions nobody uses, rows that are old enough. In batches, beside running work, and by itself if asked. */

import type { SessionStatus, StoredSession } from '../model/session.ts';
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Periodic } from '../core/periodic.ts';
import { giveWay, type Registry } from '../registry/registry.ts';
import { CleanupError } from './errors.ts';
import { removeOldEvents, removeOldRuns, removeOldSessions, type RetentionOptions } from './retention.ts';
import type { SessionStatistics } from './statistics.ts';

/** How long rows stay, in hours. */
export interface CleanupPolicy {
  /** Of any session that is over. Default 24. */
  readonly anyHours: number;
  /** Of those that died or timed out. Default 1. */
  readonly failedHours: number;
  /** Of those that ended in order. Default 6. */
  readonly endedHours: number;
}

const DEFAULT_POLICY: CleanupPolicy = { anyHours: 24, failedHours: 1, endedHours: 6 };

export interface SessionMetrics {
  readonly active: number;
  readonly expired: number;
  readonly cleanupRuns: number;
  readonly lastCleanupAt: string | null;
  readonly averageSessionSeconds: number | null;
  readonly memoryBytes: number;
}

export interface SessionCleanupOptions {
  readonly registry: Registry;
  readonly policy: Partial<CleanupPolicy> | undefined;
  /** How long runs, their records and events stay. */
  readonly retentionMs: number;
  readonly intervalMs: number;
  readonly batchSize: number | undefined;
  /** How much of the time since then this machine slept, in ms. Default: none. */
  readonly pausedSince?: (timeMs: number) => number;
  readonly log: Log;
  /** Ends this process's own sessions that were idle for so long. */
  readonly endIdle: (maxAgeMs: number) => Promise<number>;
  /** Whether the process that holds a session is certain to be there. */
  readonly isPresent: (session: StoredSession) => boolean;
  readonly endRemains: (session: StoredSession) => Promise<void>;
  readonly describe: () => Promise<SessionStatistics>;
  readonly onDone: (done: { readonly removed: number; readonly failed: number }) => void;
}

export interface StartOptions {
  readonly intervalMs?: number;
  readonly firstInMs?: number;
}

const FAILED: readonly SessionStatus[] = ['dead', 'timed_out'];
const ENDED: readonly SessionStatus[] = ['ended', 'expired'];
const HOUR_MS = 3_600_000;
const STOP_LIMIT_MS = 10_000;
/** Removed within a few milliseconds. */
const SQLITE_BATCH = 400;
const POSTGRES_BATCH = 1_000;

export class SessionCleanup {
  readonly #options: SessionCleanupOptions;
  readonly #rounds: Periodic;
  #policy: CleanupPolicy;
  #intervalMs: number;
  #batchSize: number;
  #cleaning: Promise<number> | undefined;

  constructor(options: SessionCleanupOptions) {
    this.#options = options;
    this.#policy = { ...DEFAULT_POLICY, ...options.policy };
    this.#intervalMs = options.intervalMs;
    this.#batchSize = options.batchSize ?? (options.registry.kind === 'sqlite' ? SQLITE_BATCH : POSTGRES_BATCH);
    this.#rounds = new Periodic({
      name: 'The clean-up',
      intervalMs: options.intervalMs,
      ...(options.pausedSince && { pausedSince: options.pausedSince }),
      log: options.log,
      work: () => this.#round(),
    });
  }

  /** True while no scheduler was asked for, or the one that was has run within twice its interval. */
  get isAlive(): boolean {
    return this.overdueMs <= this.#intervalMs;
  }

  /** For how long the scheduler has not done what it should have; 0 where none was asked for. */
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

  /** The first round is after one interval, unless told otherwise. */
  start({ intervalMs = this.#intervalMs, firstInMs = intervalMs }: StartOptions = {}): void {
    this.#setInterval(intervalMs);
    this.#rounds.start({ firstInMs });
  }

  /** Waits for the round under way, for a while. */
  async stop(): Promise<void> {
    await settlesWithin(Promise.all([this.#rounds.stop(), this.#cleaning?.catch(() => undefined)]), STOP_LIMIT_MS);
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
    return this.#run('failed sessions', [(failures) => this.#removeRows(FAILED, olderThanHours, failures)]);
  }

  completed(olderThanHours: number): Promise<number> {
    return this.#run('ended sessions', [(failures) => this.#removeRows(ENDED, olderThanHours, failures)]);
  }

  all(): Promise<number> {
    return this.#run('all sessions', [(failures) => this.#removeRows([...FAILED, ...ENDED], 0, failures)]);
  }

  /** One round by policy. Never overlaps with itself: who asks meanwhile gets the round under way. */
  byPolicy(): Promise<number> {
    const { anyHours, failedHours, endedHours } = this.#policy;
    this.#cleaning ??= this.#run('sessions by policy', [
      (failures) => this.#closeLapsed(0, failures),
      (failures) => this.#removeRows(FAILED, Math.min(failedHours, anyHours), failures),
      (failures) => this.#removeRows(ENDED, Math.min(endedHours, anyHours), failures),
      // Each row is looked at for it, so it comes when those that go are gone.
      (failures) => this.#mendDamaged(failures),
      (failures) => removeOldRuns(this.#retention(failures)),
      (failures) => removeOldEvents(this.#retention(failures)),
    ]).finally(() => (this.#cleaning = undefined));
    return this.#cleaning;
  }

  async metrics(): Promise<SessionMetrics> {
    const { registry } = this.#options;
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

  /** By policy; then one line says what there is. */
  async #round(): Promise<void> {
    const { log, describe } = this.#options;
    await this.byPolicy();
    const { total, capacity, utilisation, byStatus, averageAgeMs } = await describe();
    log.info('Sessions', { total, capacity, utilisation, byStatus, averageAgeMs });
  }

  /** Counts, times and audits one clean-up. A part that fails stops no other. */
  async #run(what: string, parts: readonly ((failures: Error[]) => Promise<number>)[]): Promise<number> {
    const { registry, log, onDone } = this.#options;
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
      `The clean-up of ${what} did ${removed}, and failed for ${failures.length}: ${words}. It is tried again by the next one.`,
      { cause: failures[0], data: { removed, failed: failures.length } },
    );
  }

  /** Live rows that nobody renews: their process is gone, here or elsewhere. */
  async #closeLapsed(forMs: number, failures: Error[]): Promise<number> {
    const { registry, isPresent, endRemains } = this.#options;
    const seen = new Set<string>();
    let closed = 0;
    for (;;) {
      const lapsed = await registry.sessions.listLapsed({ limit: this.#batchSize + seen.size, forMs });
      const fresh = lapsed.filter(({ id }) => !seen.has(id));
      if (fresh.length === 0) return closed;
      for (const session of fresh) {
        seen.add(session.id);
        if (isPresent(session)) continue;
        await attempt(failures, undefined, async () => {
          const { id, leaseExpiresMs } = session;
          const message = 'nobody renewed its lease';
          const revoked = await registry.leases.revoke(id, { status: 'expired', message, leaseExpiresMs });
          if (revoked === undefined) return;
          closed += 1;
          await endRemains(session);
        });
      }
      await giveWay();
    }
  }

  async #mendDamaged(failures: Error[]): Promise<number> {
    const { sessions } = this.#options.registry;
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
    const { registry, retentionMs } = this.#options;
    return {
      registry,
      retentionMs,
      batchSize: this.#batchSize,
      onFailure: (thrown) => failures.push(toError(thrown)),
    };
  }

  async #removeRows(statuses: readonly SessionStatus[], olderThanHours: number, failures: Error[]): Promise<number> {
    const before = new Date(Date.now() - olderThanHours * HOUR_MS + 1).toISOString();
    let removed = 0;
    for (const status of statuses) removed += await removeOldSessions({ ...this.#retention(failures), status, before });
    return removed;
  }
}

/** What `work` comes to; where it fails, that is noted, and `otherwise` stands for it. */
async function attempt<Value>(failures: Error[], otherwise: Value, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (thrown) {
    failures.push(toError(thrown));
    return otherwise;
  }
}
