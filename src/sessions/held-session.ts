/**
 * One owner's session in this process: the supervisor, and the rows of its sessions in the registry. This process holds the owner from one
 * session to the next, until the owner is released or the lease is lost.
 */
import type { StoredSession } from '../model/session.ts';
import type { DeathReport } from '../model/death.ts';
import { anySignal, raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import { LeaseLostError, type Renewal, type SessionLeases } from '../registry/registry.ts';
import {
  liveViewOf,
  SessionEndedError,
  SessionStartError,
  SessionSupervisor,
  type ObservedOptions,
  type SessionObserver,
  type StartedSession,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import type { RestartOptions, UserObserver } from './acquisition.ts';
import { toReport, withoutEvidence } from './death-reports.ts';
import type { LeaseHolding, LeaseKeeper } from './lease-keeper.ts';
import { SessionRows } from './session-rows.ts';

export interface HeldSessionOptions {
  readonly claimed: StoredSession;
  readonly leases: SessionLeases;
  readonly keeper: LeaseKeeper;
  readonly supervisor: SupervisorOptions;
  /** Aborts the start, but nothing after it. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** The work that must be done under the lease before the browser starts. */
  readonly prepare: () => Promise<void>;
  /**
   * Called when the session has ended without a release: its lease was lost, or it ended while it had no user. The caller must release it
   * now.
   */
  readonly onOver: (held: HeldSession) => void;
}

export class HeldSession implements LeaseHolding {
  readonly owner: string;
  /** The fencing number under which everything of this owner is written. */
  readonly token: number;
  readonly #options: HeldSessionOptions;
  /** Aborts when this process has lost or released the owner: no browser is started for it from then on. */
  readonly #over = new AbortController();
  readonly #rows: SessionRows;
  /** The supervisor; undefined until the first session is started. */
  #supervisor: SessionSupervisor | undefined;
  #restarting: Promise<void> | undefined;
  #restarts = 0;
  #releasing: Promise<void> | undefined;
  #lastUsedAt = new Date();
  /** The number of acquisitions that have not been released. The start counts as one. */
  users = 1;
  /** The observers of its users, in the order of their acquisitions. */
  readonly observers = new Set<UserObserver>();

  /** Starts the browser of a claimed session. If that fails, nothing is left: no browser, and no row that holds the owner. */
  static async start(options: HeldSessionOptions): Promise<HeldSession> {
    const held = new HeldSession(options);
    options.keeper.add(held);
    try {
      await held.#start();
      return held;
    } catch (thrown) {
      await held.release(`it could not be started: ${toError(thrown).message}`);
      throw held.lostBy ?? thrown;
    }
  }

  private constructor(options: HeldSessionOptions) {
    const { claimed, leases, keeper, log } = options;
    this.#options = options;
    this.owner = claimed.owner;
    this.token = claimed.token;
    this.#rows = new SessionRows({
      claimed,
      leases,
      lostBy: () => this.lostBy,
      onRefused: async () => {
        if (!this.isOver) await keeper.renew();
      },
      log,
    });
  }

  get supervisor(): SessionSupervisor {
    if (this.#supervisor === undefined) throw new Error('the session is not started');
    return this.#supervisor;
  }

  /** The id of the current epoch's row. */
  get id(): string {
    return this.#rows.current.id;
  }

  /** The row as it was last written. */
  get stored(): StoredSession {
    return this.#rows.current;
  }

  /** The id of the last session that was alive. A row that waits for the next session does not count. */
  get livedId(): string {
    return this.#rows.livedId;
  }

  /** The error of the lost lease; undefined while the lease is held. */
  get lostBy(): LeaseLostError | undefined {
    const reason: unknown = this.#over.signal.reason;
    return reason instanceof LeaseLostError ? reason : undefined;
  }

  /** True if the owner has been lost or released, or is being released. */
  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  get isUsable(): boolean {
    return !this.isOver && !this.#rows.hasFailed && this.supervisor.state === 'alive';
  }

  /** True if the session did not end on purpose. */
  get isLost(): boolean {
    return this.lostBy !== undefined || this.supervisor.state === 'dead';
  }

  get lastUsedAt(): Date {
    return this.#lastUsedAt;
  }

  /** The number of restarts in this process. It identifies the session that a caller has used. */
  get restarts(): number {
    return this.#restarts;
  }

  touch(): void {
    this.#lastUsedAt = new Date();
  }

  get renewal(): Renewal {
    const health = this.#supervisor?.health;
    // A session with work in progress is in use.
    if ((health?.parallelOperations ?? 0) > 0) this.touch();
    return {
      id: this.id,
      lastHeartbeatAt: health?.lastHeartbeatAt ?? null,
      lastUsedAt: this.#lastUsedAt.toISOString(),
    };
  }

  lose(now: StoredSession | null): void {
    if (this.isOver || this.#rows.isHandingOn) return;
    const report = toReport(now);
    const error = new LeaseLostError(`The session of "${this.owner}" is no longer this process's: ${report.message}.`, {
      data: { owner: this.owner, sessionId: this.id, status: now?.status ?? 'removed' },
    });
    this.#over.abort(error);
    this.#options.keeper.remove(this);
    this.#supervisor?.declareDeath(report);
    this.#options.onOver(this);
  }

  /**
   * Starts the next session under the same lease, for a caller that used the session after `known` restarts. If several callers share the
   * session, the first one restarts it, and the others get the new session. Returns the new number of restarts. Rejects with {@link
   * LeaseLostError} if the owner was lost in the meantime, and with the error that prevented the registry from storing the end of the last
   * session.
   */
  async restart(known: number, { signal, reason }: RestartOptions = {}): Promise<number> {
    const limit = anySignal(signal, this.#over.signal);
    while (this.#restarting !== undefined) await raceSignal(this.#restarting, limit);
    limit.throwIfAborted();
    if (this.#restarts !== known && this.isUsable) return this.#restarts;
    const restarting = this.#restart(limit, reason);
    this.#restarting = restarting.catch(() => undefined).finally(() => (this.#restarting = undefined));
    await restarting;
    return this.#restarts;
  }

  /** Ends the browser and releases the owner. Idempotent. */
  release(message?: string): Promise<void> {
    this.#releasing ??= this.#release(message);
    return this.#releasing;
  }

  async #restart(limit: AbortSignal, reason: string | undefined): Promise<void> {
    await this.#rows.written(limit);
    this.#rows.endReason = reason;
    await this.supervisor.restart({ signal: limit });
    this.#rows.endReason = undefined;
    this.#restarts += 1;
    await this.#rows.written(limit);
  }

  async #release(message?: string): Promise<void> {
    this.#over.abort(new SessionEndedError());
    await this.#supervisor?.stop();
    await this.#rows.giveBack(message);
    this.#options.keeper.remove(this);
  }

  async #start(): Promise<void> {
    const { supervisor: options, signal, log, prepare } = this.#options;
    await prepare();
    const starting = new AbortController();
    const onAbort = () => starting.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const observed: ObservedOptions = {
        ...options,
        owner: this.owner,
        signal: anySignal(starting.signal, options.signal, this.#over.signal),
        log,
        observer: this.#observe(),
      };
      this.#supervisor = await SessionSupervisor.start(observed);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    await this.#rows.written();
    const { death } = this.#supervisor.health;
    if (death !== null)
      throw new SessionStartError(`The browser session died as soon as it was started: ${death.evidence.message}`);
  }

  /** Makes the observer of the supervisor: the registry's rows and the lease come first, then the observers of the users. */
  #observe(): SessionObserver {
    const { keeper } = this.#options;
    const { observers } = this;
    return {
      beforeSend: () => keeper.prove(),
      onFolder: (folder) => this.#rows.prepare(folder),
      // After a suspension, a missing browser may have been ended by the process that took over the owner or timed out the run.
      explainDeath: (report) => (keeper.isUncertain ? this.#explain(report) : undefined),
      onPagePost: (session) => {
        for (const user of observers) user.onPagePost?.(session);
      },
      onStarted: (session) => {
        this.#onStarted(session);
        for (const user of observers) user.onStarted?.(session);
      },
      onDead: (death) => {
        this.#onEnd('dead', withoutEvidence(death));
        for (const user of observers) user.onDead?.(death);
      },
      onEnded: () => {
        this.#onEnd('ended');
        for (const user of observers) user.onEnded?.();
      },
      onReleased: (webdriverId) => this.#rows.released(webdriverId),
    };
  }

  async #explain(report: DeathReport): Promise<DeathReport> {
    await this.#options.keeper.renew();
    // If the lease is lost, that death has been declared in the meantime, and this report is its consequence.
    return report;
  }

  #onStarted({ sessionId = '', pids, endpointUrl, driverFolder, capabilities }: StartedSession): void {
    const isRemote = driverFolder === undefined && endpointUrl !== undefined;
    this.#rows.begin({
      webdriverId: sessionId,
      driverPid: pids.driver,
      browserPid: pids.browser,
      folder: driverFolder,
      endpoint: isRemote ? redactUrl(endpointUrl) : undefined,
      liveView: isRemote ? liveViewOf(endpointUrl, { sessionId, capabilities }) : undefined,
    });
  }

  #onEnd(status: 'dead' | 'ended', death?: object): void {
    this.#rows.end(death);
    // The release stores the end of a session that ends during it.
    if (this.isOver) return;
    if (this.users === 0) this.#options.onOver(this);
    else this.#rows.handOn(status);
  }
}
