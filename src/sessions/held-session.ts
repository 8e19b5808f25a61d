/**
 * One owner's session in this process: the supervisor, and the rows in the registry that its sessions leave. The owner stays this
 * process's from one session to the next, until it is released or the lease is lost.
 */
import type { StoredSession } from '../model/session.ts';
import type { DeathReport } from '../model/death.ts';
import { anySignal, raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactUrl } from '../core/redact.ts';
import { LeaseLostError, type Renewal, type SessionLeases } from '../registry/registry.ts';
import {
  SessionEndedError,
  SessionStartError,
  SessionSupervisor,
  type SupervisorOptions,
} from '../supervisor/supervisor.ts';
import { toReport, withoutEvidence } from './death-reports.ts';
import type { LeaseHolding, LeaseKeeper } from './lease-keeper.ts';
import { SessionRows } from './session-rows.ts';

export interface HeldSessionOptions {
  readonly claimed: StoredSession;
  readonly leases: SessionLeases;
  readonly keeper: LeaseKeeper;
  readonly supervisor: SupervisorOptions;
  /** Ends the start, and nothing after it. */
  readonly signal: AbortSignal;
  readonly log: Log;
  /** What has to be done before the browser starts, under the lease. */
  readonly prepare: () => Promise<void>;
  /** It is over without having been released: its lease is lost, or it ended while nobody used it. To be released now. */
  readonly onOver: (held: HeldSession) => void;
}

export class HeldSession implements LeaseHolding {
  readonly owner: string;
  /** Under which everything of this owner is written. */
  readonly token: number;
  readonly #options: HeldSessionOptions;
  /** Aborts when it is over for this process, lost or given back: no browser is started for it from then on. */
  readonly #over = new AbortController();
  readonly #rows: SessionRows;
  /** Undefined until its first session is started. */
  #supervisor: SessionSupervisor | undefined;
  #restarting: Promise<void> | undefined;
  #restarts = 0;
  #releasing: Promise<void> | undefined;
  #lastUsedAt = new Date();
  /** Acquisitions that have not been released. Its start counts as one. */
  users = 1;

  /** Starts the browser of a session that was claimed. When that fails nothing is left: no browser, and no row that holds the owner. */
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

  /** Of the current epoch's row. */
  get id(): string {
    return this.#rows.current.id;
  }

  /** As it was written last. */
  get stored(): StoredSession {
    return this.#rows.current;
  }

  /** The id of the last session that lived. A row that waits for the next session does not count. */
  get livedId(): string {
    return this.#rows.livedId;
  }

  /** Set once the lease is lost. */
  get lostBy(): LeaseLostError | undefined {
    const reason: unknown = this.#over.signal.reason;
    return reason instanceof LeaseLostError ? reason : undefined;
  }

  /** Lost or given back, or about to be. */
  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  get isUsable(): boolean {
    return !this.isOver && !this.#rows.hasFailed && this.supervisor.state === 'alive';
  }

  /** Whether it did not end on purpose. */
  get isLost(): boolean {
    return this.lostBy !== undefined || this.supervisor.state === 'dead';
  }

  get lastUsedAt(): Date {
    return this.#lastUsedAt;
  }

  /** How often it was restarted here: names the session that somebody knows. */
  get restarts(): number {
    return this.#restarts;
  }

  touch(): void {
    this.#lastUsedAt = new Date();
  }

  get renewal(): Renewal {
    const health = this.#supervisor?.health;
    // What works at this moment is in use.
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
   * The next session, under the same lease, for somebody who knows the one after `known` restarts: of many who share it the first one
   * restarts it, and the others get that one. Returns what he knows then. Rejects with {@link LeaseLostError} where the owner was lost
   * meanwhile, and with what kept the registry from knowing of the last session's end.
   */
  async restart(known: number, { signal }: { readonly signal?: AbortSignal } = {}): Promise<number> {
    const limit = anySignal(signal, this.#over.signal);
    while (this.#restarting !== undefined) await raceSignal(this.#restarting, limit);
    limit.throwIfAborted();
    if (this.#restarts !== known && this.isUsable) return this.#restarts;
    const restarting = this.#restart(limit);
    this.#restarting = restarting.catch(() => undefined).finally(() => (this.#restarting = undefined));
    await restarting;
    return this.#restarts;
  }

  /** Ends the browser and gives the owner back. Idempotent. */
  release(message?: string): Promise<void> {
    this.#releasing ??= this.#release(message);
    return this.#releasing;
  }

  async #restart(limit: AbortSignal): Promise<void> {
    await this.#rows.written(limit);
    await this.supervisor.restart({ signal: limit });
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
    const { supervisor: options, signal, keeper, log, prepare } = this.#options;
    await prepare();
    const starting = new AbortController();
    const onAbort = () => starting.abort(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#supervisor = await SessionSupervisor.start({
        ...options,
        owner: this.owner,
        signal: anySignal(starting.signal, options.signal, this.#over.signal),
        log,
        beforeSend: () => keeper.prove(),
        onFolder: (folder) => this.#rows.prepare(folder),
        // Suspended: a browser that is gone may have been ended by whoever took over, or timed the run out.
        explainDeath: (report) => (keeper.isUncertain ? this.#explain(report) : undefined),
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    this.#supervisor.on('session:started', () => this.#onStarted());
    this.#supervisor.on('session:dead', ({ death }) => this.#onEnd('dead', withoutEvidence(death)));
    this.#supervisor.on('session:ended', () => this.#onEnd('ended'));
    this.#onStarted();
    await this.#rows.written();
    const { death } = this.#supervisor.health;
    if (death !== null)
      throw new SessionStartError(`The browser session died as soon as it was started: ${death.evidence.message}`);
  }

  async #explain(report: DeathReport): Promise<DeathReport> {
    await this.#options.keeper.renew();
    // Where it is lost that death was declared meanwhile, and this report is its consequence.
    return report;
  }

  #onStarted(): void {
    const { sessionId = '', pids, endpointUrl, driverFolder } = this.supervisor;
    this.#rows.begin({
      webdriverId: sessionId,
      driverPid: pids.driver,
      browserPid: pids.browser,
      folder: driverFolder,
      endpoint: driverFolder !== undefined || endpointUrl === undefined ? undefined : redactUrl(endpointUrl),
    });
  }

  #onEnd(status: 'dead' | 'ended', death?: object): void {
    this.#rows.end(death);
    // What ends while it is being released is told by its release.
    if (this.isOver) return;
    if (this.users === 0) this.#options.onOver(this);
    else this.#rows.handOn(status);
  }
}
