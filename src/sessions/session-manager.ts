/** The manager: who wants a session of an owner gets it here, and everything about sessions can be asked and ordered here. */
import { randomUUID } from 'node:crypto';

import { LIVE_STATUSES, type StoredSession, isLive } from '../model/session.ts';
import type { Config } from '../config/config.ts';
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { Events, type Disposer, type Listener } from '../core/events.ts';
import { silentLog, type Log } from '../core/log.ts';
import { thisProcess } from '../driver/driver.ts';
import { type Registry, type SessionFilter, type SessionPatch } from '../registry/registry.ts';
import {
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  routeOf,
  toSupervisorOptions,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import {
  endRemains,
  findStuck,
  graceFor,
  isAwake,
  isPresent,
  reapAbandoned,
  SessionCleanup,
  toHealth,
  toStatistics,
  type CleanupPolicy,
  type ReaperOptions,
  type SessionHealth,
  type SessionMetrics,
  type SessionStatistics,
} from '../upkeep/upkeep.ts';
import type { AcquireOptions, Acquisition, SessionManagerEvents } from './acquisition.ts';
import { SessionNotFoundError } from './errors.ts';
import { Owners } from './owners.ts';
import { validateAge, validateSettings, type ManagerSettings } from './manager-settings.ts';
import { SessionLocks } from './session-locks.ts';

export interface SessionManagerOptions {
  /** Borrowed: whoever opened it closes it. */
  readonly registry: Registry;
  readonly config: Config;
  /** Overrides of the browser and its supervisor, beyond the settings. */
  readonly supervisor?: SupervisorOptions;
  /** Default: six heartbeat intervals. */
  readonly leaseMs?: number;
  readonly policy?: Partial<CleanupPolicy>;
  /** Default: nothing is logged. */
  readonly log?: Log;
}

const LEASE_IN_HEARTBEATS = 6;
const SHUTDOWN_LIMIT_MS = 30_000;

export class SessionManager implements AsyncDisposable {
  readonly #registry: Registry;
  readonly #owners: Owners;
  readonly #reaper: ReaperOptions;
  readonly #cleanup: SessionCleanup;
  readonly #locks = new SessionLocks();
  readonly #events: Events<SessionManagerEvents>;
  readonly #log: Log;
  readonly #heartbeatIntervalMs: number;
  #sessionTimeoutMs: number;
  #shuttingDown: Promise<string[]> | undefined;

  /** Opens a manager, and clears what processes of this machine that are gone have left. */
  static async open(options: SessionManagerOptions): Promise<SessionManager> {
    const manager = new SessionManager(options);
    await reapAbandoned(manager.#reaper);
    return manager;
  }

  private constructor({ registry, config, leaseMs, policy, log = silentLog, ...given }: SessionManagerOptions) {
    const supervisor = { ...toSupervisorOptions(config), ...given.supervisor };
    const { heartbeatIntervalMs: renewEveryMs = DEFAULT_HEARTBEAT_INTERVAL_MS, gridUrl } = supervisor;
    const lease = Math.round(leaseMs ?? renewEveryMs * LEASE_IN_HEARTBEATS);
    const process = thisProcess();
    validateSettings({ policy: policy ?? {} });
    this.#registry = registry;
    this.#log = log;
    this.#heartbeatIntervalMs = renewEveryMs;
    this.#sessionTimeoutMs = config.sessionTimeoutMs;
    this.#reaper = { registry, host: process.host, gridUrl, gridRoute: routeOf(supervisor), log };
    this.#events = new Events((error, event) =>
      log.warn('A listener failed; nothing else is harmed', { event, error: error.message }),
    );
    this.#owners = new Owners({
      registry,
      process,
      holder: randomUUID(),
      supervisor,
      leaseMs: lease,
      renewEveryMs: Math.min(renewEveryMs, lease / 3),
      capacity: config.maxSessions,
      reaper: this.#reaper,
      log,
      emit: (name, event) => this.#events.emit(name, event),
    });
    this.#cleanup = new SessionCleanup({
      registry,
      policy,
      retentionMs: config.runRetentionMs,
      intervalMs: config.cleanupIntervalMs,
      batchSize: config.cleanupBatchSize,
      log,
      endIdle: (maxAgeMs) => this.#owners.endIdle(maxAgeMs),
      isPresent,
      endRemains: (session) => endRemains(session, this.#reaper),
      describe: () => this.statistics(),
      onDone: (done) => this.#events.emit('cleanup:done', done),
    });
  }

  /**
   * The owner's session: the one that this process has, else a new one. Throws `SessionBusyError` where another process holds the
   * owner, `SessionCapacityError` where there is no place, both after `waitMs`, and `SessionStartError` where no browser can be started,
   * with nothing left behind.
   */
  acquire(owner: string, options: AcquireOptions = {}): Promise<Acquisition> {
    return this.#owners.acquire(owner, options);
  }

  /** A session as the registry has it; being looked at counts as use. Throws {@link SessionNotFoundError}. */
  async get(id: string): Promise<StoredSession> {
    this.#owners.find(id)?.touch();
    const session = await this.#registry.sessions.touch(id);
    if (session === undefined) throw new SessionNotFoundError(id);
    return session;
  }

  /** Newest first; copies, whose change changes nothing. */
  list(filter: SessionFilter = {}): Promise<StoredSession[]> {
    return this.#registry.sessions.list(filter);
  }

  count(filter: Pick<SessionFilter, 'status' | 'owner'> = {}): Promise<number> {
    return this.#registry.sessions.count(filter);
  }

  /** Changes several fields at once, or none. Throws {@link SessionNotFoundError}. */
  async update(id: string, patch: SessionPatch): Promise<StoredSession> {
    const session = await this.#registry.sessions.update(id, patch);
    if (session === undefined) throw new SessionNotFoundError(id);
    return session;
  }

  /** Changes many; one that fails stops no other. */
  async bulkUpdate(
    ids: Iterable<string>,
    change: SessionPatch | ((session: StoredSession) => SessionPatch | Promise<SessionPatch>),
  ): Promise<{ readonly updated: string[]; readonly failed: { readonly id: string; readonly error: Error }[] }> {
    const updated: string[] = [];
    const failed: { id: string; error: Error }[] = [];
    for (const id of ids) {
      try {
        await this.withLock(id, async () => {
          const patch = typeof change === 'function' ? await change(await this.#find(id)) : change;
          await this.update(id, patch);
        });
        updated.push(id);
      } catch (thrown) {
        failed.push({ id, error: toError(thrown) });
      }
    }
    return { updated, failed };
  }

  /** Runs `work` while no other work of this process has the session's lock; it may be nested. */
  withLock<Value>(id: string, work: () => Promise<Value> | Value, waitLimitMs?: number): Promise<Value> {
    return this.#locks.with(id, work, waitLimitMs);
  }

  /** Ends a live session: our own politely, another process's by taking its lease away. Throws {@link SessionNotFoundError}. */
  async end(id: string): Promise<void> {
    const held = this.#owners.find(id);
    if (held !== undefined) return this.#owners.end(held);
    const session = await this.#find(id);
    if (!isLive(session)) return;
    await this.#registry.leases.revoke(id, { status: 'ended', message: 'ended by a person' });
    await endRemains(session, { ...this.#reaper, graceMs: isAwake(session) ? graceFor(this.#heartbeatIntervalMs) : 0 });
  }

  /** Ends the session if it lives, and removes its row. */
  async remove(id: string): Promise<void> {
    await this.end(id);
    await this.#registry.sessions.remove(id);
  }

  async statistics(): Promise<SessionStatistics> {
    const { capacity, size: held } = this.#owners;
    return toStatistics(await this.#registry.sessions.listGroups(), { capacity, held });
  }

  async health(): Promise<SessionHealth> {
    const { stuck } = findStuck(
      {
        runs: await this.#registry.runs.list({ status: 'processing' }),
        sessions: await this.list({ status: LIVE_STATUSES }),
      },
      { warningMs: this.#sessionTimeoutMs, timeoutMs: this.#sessionTimeoutMs },
    );
    return toHealth({
      utilisation: this.#owners.size / this.#owners.capacity,
      stuck: stuck.length,
      isCleanupAlive: this.#cleanup.isAlive,
    });
  }

  getSessionMetrics(): Promise<SessionMetrics> {
    return this.#cleanup.metrics();
  }

  /** Ends sessions that nobody used for so long (default `SESSION_TIMEOUT_MINUTES`), and closes those nobody renews. Returns how many. */
  async cleanupInactiveSessions(maxAgeMinutes?: number): Promise<number> {
    return this.#cleanup.inactive(
      maxAgeMinutes === undefined ? this.#sessionTimeoutMs : validateAge('maxAgeMinutes', maxAgeMinutes) * 60_000,
    );
  }

  /** Removes the rows of sessions that died or timed out. */
  async cleanupFailed({ olderThanHours = 0 }: { readonly olderThanHours?: number } = {}): Promise<number> {
    return this.#cleanup.failed(validateAge('olderThanHours', olderThanHours));
  }

  /** Removes the rows of sessions that ended in order. */
  async cleanupCompleted({ olderThanHours = 0 }: { readonly olderThanHours?: number } = {}): Promise<number> {
    return this.#cleanup.completed(validateAge('olderThanHours', olderThanHours));
  }

  /** Ends every session of this process, at work or not, and removes all rows but those that other processes hold. */
  async dangerouslyCleanupAll(): Promise<number> {
    await this.#owners.endAll();
    return this.#cleanup.all();
  }

  /** Cleans by policy from now on; default every `SESSION_CLEANUP_INTERVAL_MINUTES`. */
  startCleanupScheduler({ intervalMinutes }: { readonly intervalMinutes?: number } = {}): void {
    const cleanupIntervalMs = intervalMinutes === undefined ? undefined : intervalMinutes * 60_000;
    if (cleanupIntervalMs !== undefined) validateSettings({ cleanupIntervalMs });
    this.#cleanup.start(cleanupIntervalMs === undefined ? {} : { intervalMs: cleanupIntervalMs });
  }

  /** Resolves when a clean-up that was under way is over. */
  stopCleanupScheduler(): Promise<void> {
    return this.#cleanup.stop();
  }

  /** Brings a damaged row to a safe state, or removes it. */
  recoverCorrupted(id: string): Promise<'intact' | 'dead' | 'removed' | 'missing'> {
    return this.#registry.sessions.recoverDamaged(id);
  }

  /** All of it or, with a `ConfigError`, nothing. A lower capacity ends the oldest idle sessions at once. */
  async reconfigure(settings: ManagerSettings): Promise<void> {
    validateSettings(settings);
    const { maxSessions, sessionTimeoutMs, ...cleanup } = settings;
    this.#cleanup.reconfigure(cleanup);
    this.#sessionTimeoutMs = sessionTimeoutMs ?? this.#sessionTimeoutMs;
    this.#owners.capacity = maxSessions ?? this.#owners.capacity;
    await this.#owners.shrink();
  }

  on<Name extends keyof SessionManagerEvents>(event: Name, listener: Listener<SessionManagerEvents[Name]>): Disposer {
    return this.#events.on(event, listener);
  }

  /** Ends all sessions of this process. Returns the owners of those that were not ended in time. Idempotent. */
  shutdown({ timeoutMs = SHUTDOWN_LIMIT_MS }: { readonly timeoutMs?: number } = {}): Promise<string[]> {
    this.#shuttingDown ??= this.#shutDown(timeoutMs);
    return this.#shuttingDown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #find(id: string): Promise<StoredSession> {
    const session = await this.#registry.sessions.get(id);
    if (session === undefined) throw new SessionNotFoundError(id);
    return session;
  }

  async #shutDown(timeoutMs: number): Promise<string[]> {
    await settlesWithin(Promise.all([this.#cleanup.stop(), this.#owners.close()]), timeoutMs);
    const left = this.#owners.names;
    if (left.length > 0) this.#log.warn('Sessions could not be ended in time', { owners: left });
    return left;
  }
}
