import type { DeathReport } from '../model/death.ts';
import { anySignal } from '../core/abort.ts';
import { Events, type Disposer, type Listener } from '../core/events.ts';
import { guardLog, silentLog, type Log } from '../core/log.ts';
import { Serial } from '../core/serial.ts';
import {
  DeathHistory,
  SessionDeathError,
  SessionEndedError,
  SessionStartError,
  type BrowserSession,
  type StateAccess,
  type WebDriver,
} from '../driver/driver.ts';
import type { Api } from './api-client.ts';
import { runBatch, type BatchOutcome, type BatchWorker, type GivenOptions } from './batch/batch.ts';
import type { CriticalFailureError } from './critical-failures.ts';
import { CleanUps } from './clean-ups.ts';
import { explainReport } from './explain-report.ts';
import { Epoch } from './epoch.ts';
import { describeHealth } from './describe-health.ts';
import {
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  type ObservedOptions,
  type SupervisorEvents,
  type SupervisorHealth,
  type SupervisorOptions,
  validateAttachOptions,
  validateSupervisorOptions,
} from './options.ts';
import { DEFAULT_RESTART_LIMIT, RestartLimit } from './restart-limit.ts';
import { Reserve } from './reserve.ts';
import { AutoRestore } from './restore/auto-restore.ts';
import type { SessionSource } from './open-session.ts';
import { startEpoch, type EpochListener, type StartedEpoch } from './start-epoch.ts';
import { startNext } from './start-next.ts';
import { endDead } from './end-dead.ts';
import { routeOf } from './target.ts';
import { transition, type SupervisorState, type SupervisorStatus } from './state.ts';

/**
 * Supervises one owner's browser session: starts it, watches it, halts all its work when it dies, and restarts it on request. It never
 * restarts by itself, because only the caller can decide whether its work continues.
 */
export class SessionSupervisor implements AsyncDisposable {
  readonly owner: string;
  readonly #options: ObservedOptions;
  readonly #log: Log;
  readonly #events: Events<SupervisorEvents>;
  readonly #restartLimit: RestartLimit;
  readonly #source: SessionSource;
  readonly #reserve: Reserve;
  readonly #heartbeatIntervalMs: number;
  #state: SupervisorState = { status: 'idle' };
  /** The epoch before the first one. */
  readonly #origin = new Epoch(0);
  /** The last epoch that was started; undefined before the first one. */
  #current: StartedEpoch | undefined;
  readonly #listener: EpochListener = {
    onAlive: (epoch) => this.#onAlive(epoch),
    onReport: (epoch, report) => this.#onReport(epoch, report),
    onQuit: (epoch) => this.#onQuit(epoch),
    onRefused: (epoch) => epoch.refuseCommand(this.#epoch),
    checkSessionHealth: () => this.checkSessionHealth(),
  };
  /** Serialises restart and stop. They belong to the session, and not to the step or item whose code asks for them. */
  readonly #changes = new Serial({ isDetached: true });
  readonly #cleanUps: CleanUps;
  /** Aborted and replaced by each `stop()`, which cancels the restarts that were requested before it. */
  #untilStop = new AbortController();

  /** Starts a browser session and watches it. Throws `SessionStartError`, with nothing left behind, if no session can be started. */
  static async start(options: SupervisorOptions = {}): Promise<SessionSupervisor> {
    const restore = await AutoRestore.open(validateSupervisorOptions(options));
    const supervisor = new SessionSupervisor(options, { restore });
    await supervisor.#startEpoch();
    return supervisor;
  }

  /**
   * Watches a session that another program started at `url`; `capabilities` are those in the answer to its start. `stop()` leaves the
   * session running. It can't be restarted.
   */
  static async attach(
    url: string,
    sessionId: string,
    capabilities: object,
    options: SupervisorOptions = {},
  ): Promise<SessionSupervisor> {
    const attachTo = { kind: 'attached', url, route: routeOf(options), sessionId, capabilities } as const;
    const supervisor = new SessionSupervisor(validateAttachOptions(options), { attachTo });
    await supervisor.#startEpoch();
    return supervisor;
  }

  private constructor(options: ObservedOptions, source: SessionSource) {
    this.#options = validateSupervisorOptions(options);
    this.owner = options.owner ?? 'anonymous';
    this.#heartbeatIntervalMs = options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_INTERVAL_MS;
    this.#log = guardLog(options.log ?? silentLog).child({ owner: this.owner });
    this.#source = { ...source, deathHistory: new DeathHistory() };
    this.#reserve = new Reserve(options, this.#log);
    const onReleased = (sessionId: string) => options.observer?.onReleased?.(sessionId);
    this.#cleanUps = new CleanUps({ onReleased, log: this.#log });
    this.#restartLimit = new RestartLimit(options.restartLimit ?? DEFAULT_RESTART_LIMIT);
    this.#events = new Events(({ message: error }, event) =>
      this.#log.warn('A listener threw an error; nothing else is affected', { event, error }),
    );
  }

  get state(): SupervisorStatus {
    return this.#state.status;
  }

  /** The number of the current session, from 1; 0 before the first session. */
  get epoch(): number {
    return this.#epoch.number;
  }

  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    return this.#started.session.capabilities;
  }

  /** Selenium's driver of the current session. It belongs to its epoch: after a restart, ask for it again. */
  get driver(): WebDriver {
    return this.#started.session.driver;
  }

  /** Aborts when the current session dies or ends. Its reason is the error with which all work ends. */
  get signal(): AbortSignal {
    return this.#epoch.signal;
  }

  /** The HTTP client with the current session's cookies, under its halt. */
  get api(): Api {
    return this.#started.api.client(this.#epoch.signal);
  }

  /** The URL of the session's driver or Grid. It may contain credentials: don't log it. */
  get endpointUrl(): string | undefined {
    return this.#session?.endpointUrl;
  }

  /** The session's own temporary folder, which contains the profile; undefined if the supervisor did not start the driver. */
  get driverFolder(): string | undefined {
    return this.#session?.driverProcess?.folder;
  }

  get pids(): { readonly driver: number | undefined; readonly browser: number | undefined } {
    return { driver: this.#session?.driverProcess?.pid, browser: this.#session?.browserPid };
  }

  get health(): SupervisorHealth {
    return describeHealth(this.#epoch, {
      state: this.#state.status,
      heartbeatIntervalMs: this.#heartbeatIntervalMs,
      commandsInFlight: this.#session?.commandsInFlight ?? 0,
    });
  }

  /** Reads and changes the current session's cookies, storage and page, out of band. */
  get browserState(): StateAccess {
    return this.#started.session.browserState;
  }

  /**
   * Captures the browser's state now, so that a restart restores it; see `SupervisorOptions.restore`. Resolves with false if there is no
   * state to capture: the session is attached, its browser does not report its state, or nothing is to be restored.
   */
  async checkpoint(): Promise<boolean> {
    this.signal.throwIfAborted();
    return (await this.#source.restore?.take(this.signal)) ?? false;
  }

  /** Returns the halt flag. Costs one read of memory. */
  shouldHaltOperations(): boolean {
    return this.#epoch.isHalted;
  }

  throwIfHalted(): void {
    this.#epoch.throwIfHalted();
  }

  /** Returns true if the session is dead and its death ended or refused work. */
  isSessionDeathCascade(): boolean {
    return this.#epoch.cascadeCount > 0;
  }

  /** Probes the browser and the driver now. A death that the probe finds is declared before the promise resolves. */
  async checkSessionHealth(): Promise<boolean> {
    if (this.#state.status !== 'alive') return false;
    await this.#state.session.probe('heartbeat');
    return (this.#state as SupervisorState).status === 'alive';
  }

  /** The critical failure of the current session's API calls, if there was one. */
  get criticalFailure(): CriticalFailureError | undefined {
    return this.#current?.api.criticalFailure;
  }

  /** Runs `worker` over `items` under the session's halt. Rejects only if the options or items can't be used. */
  async batch<Item, Value>(
    items: Iterable<Item> | AsyncIterable<Item>,
    worker: BatchWorker<Item, Value>,
    options: GivenOptions<Item, Value> = {},
  ): Promise<BatchOutcome<Value>> {
    const { epoch, session, api } = this.#started;
    const { driver } = session;
    const host = {
      signal: epoch.signal,
      log: this.#log,
      api: (signal: AbortSignal) => api.client(signal, { isPartOfBatch: true }),
      driver: () => driver,
      addGroup: (counts: () => { queued: number; running: number }) => epoch.work.addGroup(counts),
      refuse: () => epoch.refuse(),
      onDone: () => this.noteProgress(),
    };
    return runBatch(host, items, { worker, options });
  }

  /** Notes that work was finished, so that the next restart begins at once. The steps of a run and items of a batch do it themselves. */
  noteProgress(): void {
    this.#restartLimit.noteProgress();
  }

  /**
   * Ends the current session, if it is still alive, and starts the next one: a new epoch with a new halt. After a death it obeys the
   * restart limit: it throws `RestartLimitError` beyond the limit, and repeats failed starts within it. A later `stop()` cancels it.
   */
  async restart({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#source.attachTo !== undefined)
      throw new SessionStartError('Another program started this session, so only it can start the next one.');
    const startSignal = anySignal(signal, this.#options.signal, this.#untilStop.signal);
    return this.#changes.run(async () => {
      startSignal.throwIfAborted();
      await this.#source.restore?.takeLast();
      if (this.#state.status === 'alive') await this.#end();
      await startNext({
        start: () => this.#startEpoch(startSignal),
        isAfterDeath: () => this.#state.status === 'dead',
        limit: this.#restartLimit,
        cause: this.#epoch.signal.reason,
        signal: startSignal,
        log: this.#log,
      });
    });
  }

  /** Ends the session with a quit, then everything that belongs to it. Idempotent. Resolves when no process and no folder is left. */
  async stop(): Promise<void> {
    this.#untilStop.abort(new SessionEndedError());
    this.#untilStop = new AbortController();
    return this.#changes.run(async () => {
      if (this.#state.status === 'alive') await this.#end();
      await Promise.all([this.#cleanUps.finish(), this.#reserve.stop()]);
      await this.#source.restore?.flush();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Declares the session dead for a reason that another module found, such as a lost lease. The supervisor finds other deaths itself. */
  declareDeath(report: DeathReport): void {
    this.#onDeath(this.#epoch, report);
  }

  on<Name extends keyof SupervisorEvents>(event: Name, listener: Listener<SupervisorEvents[Name]>): Disposer {
    return this.#events.on(event, listener);
  }

  get #epoch(): Epoch {
    return this.#current?.epoch ?? this.#origin;
  }

  get #session(): BrowserSession | undefined {
    return this.#current?.session;
  }

  get #started(): StartedEpoch {
    if (this.#current === undefined) throw new SessionEndedError();
    return this.#current;
  }

  #transition(next: SupervisorState): void {
    this.#state = transition(this.#state, next);
  }

  async #startEpoch(startSignal = this.#options.signal): Promise<void> {
    const before = this.#state;
    this.#transition({ status: 'starting' });
    try {
      await startEpoch(this.#epoch.number + 1, {
        options: this.#options,
        source: this.#source,
        reserve: this.#reserve,
        cleanedUp: () => this.#cleanUps.settled(),
        heartbeatIntervalMs: this.#heartbeatIntervalMs,
        startSignal,
        begin: (started) => this.#begin(started),
        listener: this.#listener,
        log: this.#log,
      });
    } catch (thrown) {
      this.#transition(before);
      throw thrown;
    }
    this.#options.observer?.onStarted?.(this);
    const { owner, epoch, sessionId = '' } = this;
    this.#log.debug('A browser session started', { epoch, sessionId });
    this.#events.emit('session:started', { owner, epoch, sessionId });
    this.#onAlive(this.#epoch);
  }

  #begin(started: StartedEpoch): void {
    const { epoch, session } = started;
    this.#current = started;
    this.#transition({ status: 'alive', epoch, session });
    this.#source.restore?.follow(session);
  }

  #onAlive(epoch: Epoch): void {
    if (epoch.isHalted) return;
    epoch.lastHeartbeatAt = new Date();
    if (epoch !== this.#epoch) return;
    this.#current?.heartbeat.beat();
    this.#source.restore?.onAlive();
    this.#events.emit('heartbeat', { epoch: epoch.number, at: epoch.lastHeartbeatAt });
  }

  #onReport(epoch: Epoch, report: DeathReport): void {
    const observer = epoch.isHalted ? undefined : this.#options.observer;
    explainReport(report, observer, (explained) => this.#onDeath(epoch, explained));
  }

  /**
   * Declares the death. No other code does. The order is: state, halt, heartbeat, processes, observer, event. The first report wins;
   * later reports are its consequences.
   */
  #onDeath(epoch: Epoch, report: DeathReport): void {
    if (epoch.death !== undefined) return epoch.addConsequence(report);
    const state = this.#state;
    // An epoch that was halted without a death was ended on purpose. Later reports about it are not deaths.
    if (epoch !== this.#epoch || epoch.isHalted || (state.status !== 'alive' && state.status !== 'stopping')) return;
    const { session } = state;
    const { commandsInFlight } = session;
    const evidence = session.evidence(report.message);
    const death = epoch.die(report, { evidence, diagnosis: session.diagnose(report), commandsInFlight });
    this.#transition({ status: 'dead', epoch, death });
    epoch.halt(new SessionDeathError(death));
    this.#current?.heartbeat.stop();
    this.#source.restore?.end();
    this.#cleanUps.add(endDead(session), () => session);
    this.#reserve.expireSoon();
    this.#options.observer?.onDead?.(death);
    const { cause, detectedBy, cancelled } = death;
    const { queued, inFlight } = cancelled;
    this.#log.debug('The browser session died', { epoch: epoch.number, cause, detectedBy, queued, inFlight });
    this.#events.emit('session:dead', { owner: this.owner, epoch: epoch.number, death });
    if (queued + inFlight > 0) this.#events.emit('work:cancelled', { epoch: epoch.number, queued, inFlight });
  }

  /** Ends the epoch without a death, because the supervisor or the action itself asked the session to end. */
  #onQuit(epoch: Epoch): void {
    const state = this.#state;
    if (epoch !== this.#epoch) return;
    // The browser has answered our quit: work ends with this error before the browser is removed, instead of failing without a browser.
    if (state.status === 'stopping') epoch.halt(new SessionEndedError());
    if (state.status === 'alive') this.#finishEpoch(epoch, state.session);
  }

  async #end(): Promise<void> {
    const state = this.#state;
    if (state.status !== 'alive') return;
    const { epoch, session } = state;
    this.#transition({ status: 'stopping', epoch, session });
    this.#cleanUps.add(session.stop(), () => session);
    await this.#cleanUps.settled();
    // If the session died in the meantime, that death is already declared.
    if (this.#state.status === 'stopping') this.#finishEpoch(epoch);
  }

  /** Declares the end, in the order of a death. `session` is given if its processes have not been asked to end yet. */
  #finishEpoch(epoch: Epoch, session?: BrowserSession): void {
    this.#transition({ status: 'ended', epoch });
    epoch.halt(new SessionEndedError());
    this.#current?.heartbeat.stop();
    this.#source.restore?.end();
    if (session !== undefined) this.#cleanUps.add(session.stop(), () => session);
    this.#reserve.expireSoon();
    this.#options.observer?.onEnded?.();
    this.#events.emit('session:ended', { owner: this.owner, epoch: epoch.number });
  }
}
