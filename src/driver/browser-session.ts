/**
 * One WebDriver session with its parts: driver process, transport, DevTools, selenium's driver object. It reports what it detects and
 * decides nothing: the supervisor declares a death, and ends the processes afterwards.
 */
import path from 'node:path';

import type { WebDriver } from 'selenium-webdriver';
import type chrome from 'selenium-webdriver/chrome.js';
import { Executor } from 'selenium-webdriver/http/index.js';

import { NO_DIAGNOSIS, type DeathEvidence, type DeathReport, type Detector, type Diagnosis } from '../model/death.ts';
import { anySignal, raceSignal, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import { BrowserAccess } from './browser-access.ts';
import { createDriver, toCapabilities } from './capabilities.ts';
import { SessionEndedError, SessionStartError } from './death.ts';
import { browserPidOf, DeathHistory, SessionFacts } from './diagnosis/diagnosis.ts';
import { HttpClient } from './http-client.ts';
import { DriverProcess } from './driver-process.ts';
import { EndpointStart } from './endpoint-start.ts';
import { Prober } from './probe.ts';
import { describeProxy } from './describe-proxy.ts';
import { describeTarget, isLoopback } from './session-target.ts';
import type { Created, Phase } from './session-phase.ts';
import { waitForProcesses } from './reap.ts';
import { RemoteSessionEnd } from './remote-session.ts';
import type { Recorder } from './recorder/recorder.ts';
import { OwnSockets } from './own-sockets.ts';
import { SessionEnding } from './session-ending.ts';
import type { SessionOptions } from './session-options.ts';
import { toStartError } from './start-errors.ts';
import { IN_FLIGHT_ANSWER_LIMIT_MS, SessionWatch } from './session-watch.ts';
import { ABORTED_START_LIMIT_MS, OWN_START_LIMIT_MS } from './session-settings.ts';
import type { SessionTimeouts } from './state/browser-state.ts';
import { StateAccess } from './state/state-access.ts';
import { CommandTransport } from './command-transport.ts';
import { uploadFiles } from './upload-files.ts';

export class BrowserSession {
  readonly #options: SessionOptions;
  readonly #process: DriverProcess | undefined;
  readonly #http: HttpClient;
  readonly #prober = new Prober();
  readonly #transport: CommandTransport;
  readonly #ending: SessionEnding;
  /** Access to the browser beside the commands. */
  readonly browser: BrowserAccess;
  /** The browser's cookies, storage and page as a whole. */
  readonly browserState: StateAccess;
  /** Aborts when the session is released. */
  readonly #released = new AbortController();
  #phase: Phase = { status: 'starting' };
  /** A counter of the commands and of the changes of cookies. */
  #activity = 0;
  /** Settles when the storage of a page that is about to be left has been read. */
  #leaving: Promise<unknown> | undefined;

  /** Starts a session. Throws `SessionStartError` if that is not possible; nothing is left behind then. */
  static async start(options: SessionOptions): Promise<BrowserSession> {
    const { target, onFolder, ahead } = options;
    const signal = anySignal(options.signal, options.startSignal);
    signal.throwIfAborted();
    let session: BrowserSession | undefined;
    let creating: Promise<void> | undefined;
    using endpoint = EndpointStart.begin(options);
    const onExit = (message: string) => {
      if (session !== undefined) session.#report({ cause: 'driver-gone', detectedBy: 'driver-exit', message });
    };
    try {
      const { environment } = options.browser;
      const launch = { environment, ahead, signal, onExit, ...(onFolder && { onFolder }) };
      const process_ = target.kind === 'own' ? await DriverProcess.launch({ ...target, ...launch }) : undefined;
      session = new BrowserSession(options, process_);
      creating = session.#create();
      await raceSignal(endpoint?.follow(creating) ?? creating, signal);
      await raceSignal(session.#watchSockets(), signal);
      session.#open();
      return session;
    } catch (thrown) {
      if (session !== undefined) await session.#abandon(endpoint?.isHopeless === true ? undefined : creating);
      const output = session?.driverProcess?.lastOutput ?? '';
      if (signal.aborted) throw toError(signal.reason);
      throw endpoint === undefined
        ? toStartError(thrown, { ...describeTarget(target), output })
        : await endpoint.explain(thrown);
    }
  }

  private constructor(options: SessionOptions, process_: DriverProcess | undefined) {
    const { target, signal, commandTimeoutMs, listener } = options;
    this.#options = options;
    this.#process = process_;
    this.#http = target.kind === 'own' ? new HttpClient(process_?.url ?? '') : new HttpClient(target.url, target.route);
    this.#transport = new CommandTransport({
      http: this.#http,
      signal,
      commandTimeoutMs,
      ...(target.kind === 'attached' ? { attachTo: target } : {}),
      beforeCommand: (command) => {
        this.#activity += 1;
        const leaving = this.#phase.watch?.onCommand(command);
        if (leaving !== undefined) this.#leave(leaving);
        const held = options.beforeCommand?.(command);
        // Later commands wait too, because the order of commands must stay.
        return this.#leaving === undefined ? held : Promise.all([held, this.#leaving]).then(() => undefined);
      },
      ...(options.beforeSend === undefined ? {} : { beforeSend: options.beforeSend }),
      startLimitMs: target.kind === 'own' ? OWN_START_LIMIT_MS : options.startTimeoutMs,
      describeProxy: () => describeProxy(options.browser, this.browser.environment),
      listener: {
        onAlive: () => this.#onAlive(),
        onDeath: (report) => this.#reportAnswer(report),
        onQuit: listener.onQuit,
        onRefused: listener.onRefused,
        probe: (detectedBy, how) => this.probe(detectedBy, how),
        freePage: (handle) => this.#phase.watch?.devtools?.freePage(handle),
        freeBusyPage: async (handle) => this.#phase.watch?.devtools?.freeBusyPage(handle),
      },
    });
    this.#ending = new SessionEnding({
      target,
      signal,
      transport: this.#transport,
      created: () => this.#phase.created,
    });
    this.browser = new BrowserAccess({
      http: this.#http,
      session: this,
      devtools: () => this.#phase.watch?.devtools,
      bidi: () => this.#phase.watch?.bidi,
      hadDevTools: () => this.#phase.watch?.tracker.hasEvents === true,
      windowHandle: () => this.#transport.settings.windowHandle,
      options: options.browser,
      isOwn: target.kind === 'own',
      onChange: () => (this.#activity += 1),
    });
    this.browserState = new StateAccess({
      downloads: this.browser.downloads,
      devtools: () => this.#phase.watch?.devtools,
      tracker: () => this.#phase.watch?.tracker,
      fallback: () => this.#phase.watch?.fallback,
      settings: this.#transport.settings,
      activity: () => this.#activity,
      sendOverride: ({ cmd, params }) => (this.driver as chrome.Driver).sendDevToolsCommand(cmd, { ...params }),
      // The types of selenium-webdriver omit that null means no limit.
      setTimeouts: (timeouts) => this.driver.manage().setTimeouts(timeouts as Record<keyof SessionTimeouts, number>),
    });
  }

  #leave(leaving: Promise<unknown>): void {
    this.#leaving = leaving;
    void leaving.finally(() => {
      if (this.#leaving === leaving) this.#leaving = undefined;
    });
  }

  get id(): string {
    return this.#phase.created?.id ?? '';
  }

  /** Selenium's own driver object, connected to this session's transport. */
  get driver(): WebDriver {
    return this.#created.driver;
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    const { map_ } = this.#created.capabilities as unknown as { map_: Map<string, unknown> };
    return Object.fromEntries(map_);
  }

  /** The driver's process if this program started it. Its pid is also the id of its process group. */
  get driverProcess(): Pick<DriverProcess, 'pid' | 'folder' | 'lastOutput'> | undefined {
    return this.#process;
  }

  get endpointUrl(): string {
    return this.#http.url;
  }

  get browserPid(): number | undefined {
    return this.#phase.created && browserPidOf(this.#phase.created.capabilities);
  }

  get commandsInFlight(): number {
    return this.#transport.inFlight;
  }

  get remoteEnd(): RemoteSessionEnd | undefined {
    return this.#phase.created?.remoteEnd;
  }

  /** The last page that the session navigated to, redacted. */
  get url(): string | null {
    return this.#transport.settings.url;
  }

  evidence(message: string): DeathEvidence {
    return { message, url: this.url, lastCommands: this.#transport.log.lines() };
  }

  /** Lets `recorder` record the session from now on. */
  record(recorder: Recorder): void {
    this.#phase.watch?.record(recorder);
  }

  /** Returns why the session died. Reads the facts now, before its processes and its folder are removed. */
  diagnose(report: DeathReport): Diagnosis {
    try {
      return this.#phase.created?.facts.diagnose(report, this.url) ?? NO_DIAGNOSIS;
    } catch (thrown) {
      // A death is declared in any case.
      this.#options.log.warn('The reason of a death could not be found', { reason: toError(thrown).message });
      return NO_DIAGNOSIS;
    }
  }

  /**
   * Asks the browser and the driver out of band whether they are alive, and reports a death. Resolves with true if they have answered.
   * With `isUrgent`, a stopped process is reported sooner. With `isAnswered`, one of the commands in flight has its answer already. Never
   * rejects.
   */
  async probe(
    detectedBy: Detector,
    { isUrgent = false, isAnswered = false }: { readonly isUrgent?: boolean; readonly isAnswered?: boolean } = {},
  ): Promise<boolean> {
    const { target, heartbeatTimeoutMs } = this.#options;
    if (this.#isOver() || this.#phase.status === 'starting') return false;
    const result = await this.#prober.probe({
      http: this.#http,
      sessionId: this.id,
      socket: this.#phase.watch?.socket,
      isOwnDriver: target.kind === 'own',
      pids: [this.#process?.pid, this.browserPid].filter((pid) => pid !== undefined),
      inFlight: () => this.#transport.inFlight - Number(isAnswered),
      browserName: this.#created.capabilities.getBrowserName() ?? '',
      limitMs: heartbeatTimeoutMs,
      isUrgent,
    });
    if (this.#isOver()) return false;
    if (result.state === 'alive') this.#onAlive();
    if (result.state !== 'dead') return result.state === 'alive';
    if (result.cause !== 'driver-gone' || !(await this.#process?.exitsWithin(IN_FLIGHT_ANSWER_LIMIT_MS))) {
      await this.#reportAnswer({ cause: result.cause, detectedBy, message: result.message });
    }
    return false;
  }

  /**
   * Quits the session if it still accepts commands, then ends the processes that this program started. An attached session stays alive.
   * Idempotent.
   */
  stop(): Promise<void> {
    const phase = this.#phase;
    if (phase.status === 'stopping') return phase.done;
    if (phase.status !== 'open' || this.#options.signal.aborted) return this.killNow();
    const done = this.#ending.quit().then(() => this.#release());
    this.#phase = { ...phase, status: 'stopping', done };
    return done;
  }

  /** Kills the processes that this program started. On another program's endpoint the session is asked to end. Idempotent. */
  killNow(): Promise<void> {
    if (this.#phase.status === 'released') return this.#phase.done;
    return this.#release(this.#ending.endRemotely());
  }

  /** Ends what an aborted start leaves. Another program's endpoint may still create the session, which no other program would end. */
  async #abandon(creating: Promise<void> = Promise.resolve()): Promise<void> {
    if (this.#options.target.kind === 'endpoint') await settlesWithin(creating, ABORTED_START_LIMIT_MS);
    await this.killNow();
    if (this.#process !== undefined) await waitForProcesses(this.#process.folder);
  }

  /** Enters the phase `open`. Throws if the session died during its start. */
  #open(): void {
    const { created, watch, ...phase } = this.#phase;
    if (phase.status !== 'starting' || created === undefined || watch === undefined)
      throw new SessionStartError('The session was ended while it was being started.');
    if (phase.death !== undefined) {
      const message = `The browser session died as soon as it was started: ${phase.death.message}`;
      throw new SessionStartError(message, { isInterrupted: true });
    }
    this.#phase = { status: 'open', created, watch };
  }

  get #created(): Created {
    if (this.#phase.created === undefined) throw new Error('the session is not started');
    return this.#phase.created;
  }

  async #create(): Promise<void> {
    const { target, browser } = this.#options;
    const downloadDir = browser.downloadDir ?? (this.#process && path.join(this.#process.folder, 'downloads'));
    const wanted = toCapabilities(
      { ...browser, downloadDir },
      {
        // A driver that the user runs on this machine needs the same sandbox switch.
        isLocal: target.kind === 'own' || isLoopback(target.url),
        ...(target.kind === 'own' ? { browserPath: target.browserPath } : {}),
      },
    );
    const driver = createDriver({
      wanted,
      executor: new Executor(this.#transport),
      isRemote: target.kind !== 'own',
    });
    const session = await driver.getSession();
    const capabilities = session.getCapabilities();
    if (target.kind !== 'own') uploadFiles(driver, capabilities);
    const created: Created = {
      id: session.getId(),
      driver,
      capabilities,
      remoteEnd:
        target.kind === 'endpoint'
          ? new RemoteSessionEnd({ ...target, sessionId: session.getId() }, { isGuarded: true })
          : undefined,
      ownSockets: new OwnSockets(driver, anySignal(this.#options.signal, this.#released.signal)),
      facts: new SessionFacts({
        driver: this.#process,
        capabilities,
        // A standby gets the history of its supervisor when it is promoted.
        history: () => this.#options.deathHistory?.() ?? new DeathHistory(),
      }),
    };
    this.#phase = { ...this.#phase, created };
    // Reports a missing session at once, and finds the window that its commands apply to.
    if (target.kind === 'attached') await driver.getWindowHandle();
  }

  async #watchSockets(): Promise<void> {
    const { target, browser, signal, recorder, log } = this.#options;
    const { id: sessionId, capabilities, facts } = this.#created;
    const watch = await SessionWatch.open({
      target,
      sessionId,
      capabilities,
      wantsBidi: browser.bidi === true,
      process: this.#process,
      http: this.#http,
      transport: this.#transport,
      facts,
      halt: signal,
      signal: anySignal(signal, this.#released.signal),
      recorder,
      log,
      isOver: () => this.#isOver(),
      report: (report) => this.#report(report),
      probe: (detectedBy) => this.probe(detectedBy),
    });
    watch.tracker.onPost = this.#options.onPagePost;
    if (this.#phase.status === 'starting') this.#phase = { ...this.#phase, watch };
    // The session was released in the meantime.
    else watch.close();
  }

  #isOver(): boolean {
    return this.#options.signal.aborted || this.#transport.isEnded || this.#phase.status === 'released';
  }

  #onAlive(): void {
    this.#phase.created?.facts.sample();
    this.#options.listener.onAlive();
  }

  /** Reports a death that the answer to a command or to a probe revealed. */
  #reportAnswer(report: DeathReport): Promise<void> | void {
    const explained = this.#phase.watch?.explain(report);
    return explained === undefined ? this.#report(report) : explained.then((found) => this.#report(found));
  }

  #report(report: DeathReport): void {
    const phase = this.#phase;
    if (this.#transport.isEnded || phase.status === 'released') return;
    if (phase.status === 'starting') this.#phase = { death: report, ...phase };
    else this.#options.listener.onDeath(report);
  }

  /** Ends what this program started, after `asked`, the session's last command, has settled. */
  #release(asked?: Promise<unknown>): Promise<void> {
    const phase = this.#phase;
    if (phase.status === 'released') return phase.done;
    const done = (async () => {
      if (asked !== undefined) await asked;
      this.#transport.end();
      const { signal } = this.#options;
      this.#released.abort(signal.aborted ? signal.reason : new SessionEndedError());
      phase.watch?.close();
      try {
        phase.created?.ownSockets.terminate();
      } finally {
        await this.#process?.killNow();
        this.#http.close();
      }
    })();
    this.#phase = { ...phase, status: 'released', done };
    return done;
  }
}
