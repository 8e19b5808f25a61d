/** The session manager: hands out the sessions of owners, and provides all queries and commands about sessions. */
import { randomUUID } from 'node:crypto';

import { LIVE_STATUSES, type StoredSession, isLive } from '../model/session.ts';
import type { Config } from '../config/config.ts';
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { Events, type Disposer, type Listener } from '../core/events.ts';
import { guardLog, silentLog, type Log } from '../core/log.ts';
import { thisProcess } from '../driver/driver.ts';
import type { Registry, SessionFilter, SessionPatch } from '../registry/registry.ts';
import {
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  routeOf,
  toSupervisorOptions,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import {
  endSession,
  findStuck,
  reapAbandoned,
  SessionCleanup,
  UnreleasedSessions,
  type UnreleasedResult,
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
  /** The registry. The caller that opened it closes it. */
  readonly registry: Registry;
  readonly config: Config;
  /** Options of the browser and its supervisor that override the settings. */
  readonly supervisor?: SupervisorOptions;
  /** The length of a lease in milliseconds. Default: six heartbeat intervals. */
  readonly leaseMs?: number;
  readonly policy?: Partial<CleanupPolicy>;
  /** The log. Default: nothing is logged. */
  readonly log?: Log;
}

const LEASE_IN_HEARTBEATS = 6;
const SHUTDOWN_LIMIT_MS = 30_000;

export class SessionManager implements AsyncDisposable {
  readonly #registry: Registry;
  readonly #owners: Owners;
  readonly #reaper: ReaperOptions;
  readonly #cleanup: SessionCleanup;
  readonly #unreleased: UnreleasedSessions;
  readonly #locks = new SessionLocks();
  readonly #events: Events<SessionManagerEvents>;
  readonly #log: Log;
  readonly #heartbeatIntervalMs: number;
  #sessionTimeoutMs: number;
  #shuttingDown: Promise<string[]> | undefined;

  /** Opens a manager, and cleans up the leftovers of dead processes on this machine. */
  static async open(options: SessionManagerOptions): Promise<SessionManager> {
    const manager = new SessionManager(options);
    await reapAbandoned(manager.#reaper);
    // An endpoint may not answer, and no caller has to wait for it.
    manager.endUnreleased().catch((thrown: unknown) => {
      manager.#log.warn('Sessions that their endpoints still have could not be ended', {
        reason: toError(thrown).message,
      });
    });
    return manager;
  }

  private constructor({ registry, config, leaseMs, policy, log: ownLog = silentLog, ...given }: SessionManagerOptions) {
    const log = guardLog(ownLog);
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
      log.warn('A listener threw an error; nothing else is affected', { event, error: error.message }),
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
    this.#unreleased = new UnreleasedSessions(this.#reaper);
    this.#cleanup = new SessionCleanup({
      reaper: this.#reaper,
      policy,
      retentionMs: config.runRetentionMs,
      intervalMs: config.cleanupIntervalMs,
      batchSize: config.cleanupBatchSize,
      heartbeatIntervalMs: Math.min(renewEveryMs, lease / 3),
      endIdle: (maxAgeMs) => this.#owners.endIdle(maxAgeMs),
      describe: () => this.statistics(),
      onDone: (done) => this.#events.emit('cleanup:done', done),
    });
  }

  /**
   * Returns the owner's session: the one that this process has, otherwise a new one. Throws `SessionBusyError` if another process holds the
   * owner, and `SessionCapacityError` if no slot is free, both after `waitMs`. Throws `SessionStartError`, with nothing left behind, if no
   * browser can be started.
   */
  acquire(owner: string, options: AcquireOptions = {}): Promise<Acquisition> {
    return this.#owners.acquire(owner, options);
  }

  /** Ends the sessions of ended programs that their endpoints, such as a Grid, still have. */
  endUnreleased(): Promise<UnreleasedResult> {
    return this.#unreleased.end();
  }

  /** Returns a session from the registry. The query counts as use. Throws {@link SessionNotFoundError}. */
  async get(id: string): Promise<StoredSession> {
    this.#owners.find(id)?.touch();
    const session = await this.#registry.sessions.touch(id);
    if (session === undefined) throw new SessionNotFoundError(id);
    return session;
  }

  /** Returns the sessions, the newest first. They are copies: changes to them have no effect. */
  list(filter: SessionFilter = {}): Promise<StoredSession[]> {
    return this.#registry.sessions.list(filter);
  }

  count(filter: Pick<SessionFilter, 'status' | 'owner'> = {}): Promise<number> {
    return this.#registry.sessions.count(filter);
  }

  /** Changes all fields of `patch`, or none. Throws {@link SessionNotFoundError}. */
  async update(id: string, patch: SessionPatch): Promise<StoredSession> {
    const session = await this.#registry.sessions.update(id, patch);
    if (session === undefined) throw new SessionNotFoundError(id);
    return session;
  }

  /** Changes many sessions. The failure of one does not stop the others. */
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

  /** Runs `work` while no other work of this process has the session's lock. Calls may be nested. */
  withLock<Value>(id: string, work: () => Promise<Value> | Value, waitLimitMs?: number): Promise<Value> {
    return this.#locks.with(id, work, waitLimitMs);
  }

  /**
   * Ends a live session: a session of this process with a quit, a session of another process by revoking its lease. Throws {@link
   * SessionNotFoundError}.
   */
  async end(id: string): Promise<void> {
    const held = this.#owners.find(id);
    if (held !== undefined) return this.#owners.end(held);
    const session = await this.#find(id);
    if (!isLive(session)) return;
    const ended = await endSession(id, { ...this.#reaper, heartbeatIntervalMs: this.#heartbeatIntervalMs });
    await ended?.endLeftovers();
  }

  /** Ends the session if it is alive, and removes its row. */
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

  /**
   * Ends sessions that were not used for `maxAgeMinutes` (default `SESSION_TIMEOUT_MINUTES`), and closes sessions whose lease is not
   * renewed. Returns their number.
   */
  async cleanupInactiveSessions(maxAgeMinutes?: number): Promise<number> {
    return this.#cleanup.inactive(
      maxAgeMinutes === undefined ? this.#sessionTimeoutMs : validateAge('maxAgeMinutes', maxAgeMinutes) * 60_000,
    );
  }

  /** Removes the rows of sessions that died or timed out. */
  async cleanupFailed({ olderThanHours = 0 }: { readonly olderThanHours?: number } = {}): Promise<number> {
    return this.#cleanup.failed(validateAge('olderThanHours', olderThanHours));
  }

  /** Removes the rows of sessions that ended normally. */
  async cleanupCompleted({ olderThanHours = 0 }: { readonly olderThanHours?: number } = {}): Promise<number> {
    return this.#cleanup.completed(validateAge('olderThanHours', olderThanHours));
  }

  /** Ends every session of this process, even if it is in use, and removes all rows except those that other processes hold. */
  async dangerouslyCleanupAll(): Promise<number> {
    await this.#owners.endAll();
    return this.#cleanup.all();
  }

  /** Starts the scheduler, which cleans up by policy. Default: every `SESSION_CLEANUP_INTERVAL_MINUTES`. */
  startCleanupScheduler({ intervalMinutes }: { readonly intervalMinutes?: number } = {}): void {
    const cleanupIntervalMs = intervalMinutes === undefined ? undefined : intervalMinutes * 60_000;
    if (cleanupIntervalMs !== undefined) validateSettings({ cleanupIntervalMs });
    this.#cleanup.start(cleanupIntervalMs === undefined ? {} : { intervalMs: cleanupIntervalMs });
  }

  /** Stops the scheduler. Resolves when a clean-up in progress has ended. */
  stopCleanupScheduler(): Promise<void> {
    return this.#cleanup.stop();
  }

  /** Changes a damaged row to a safe state, or removes it. */
  recoverCorrupted(id: string): Promise<'intact' | 'dead' | 'removed' | 'missing'> {
    return this.#registry.sessions.recoverDamaged(id);
  }

  /** Applies all settings, or none if one of them throws a `ConfigError`. A lower capacity ends the oldest idle sessions at once. */
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

  /** Ends all sessions of this process. Returns the owners of the sessions that did not end in time. Idempotent. */
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
