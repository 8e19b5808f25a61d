/**
 * One WebDriver session with everything that belongs to it: driver process, transport, DevTools, selenium's driver object. It reports
 * what it sees and decides nothing: declaring a death, and ending the processes afterwards, is the supervisor's.
 */
import type { Capabilities, WebDriver } from 'selenium-webdriver';
import { Executor } from 'selenium-webdriver/http/index.js';

import { anySignal, raceSignal, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { watchBidi, type BidiWatch } from './bidi.ts';
import { createDriver, toCapabilities, type BrowserOptions } from './capabilities.ts';
import { cookiesOf, type BrowserCookies } from './cookies.ts';
import { SessionEndedError, SessionStartError, type DeathEvidence, type DeathReport, type Detector } from './death.ts';
import { DevTools, findDevToolsUrl } from './devtools.ts';
import { HttpClient } from './http-client.ts';
import { DriverProcess } from './launch.ts';
import { explainLostBrowser } from './lost-browser.ts';
import { Prober } from './probe.ts';
import { describeTarget, isLoopback, type SessionTarget } from './session-target.ts';
import { terminateOwnSockets } from './sockets.ts';
import { toStartError } from './start-errors.ts';
import { OWN_START_LIMIT_MS } from './session-settings.ts';
import { CommandTransport, type CommandHook } from './transport.ts';

export type { SessionTarget } from './session-target.ts';

export interface SessionListener {
  /** A proof of life: a command succeeded. */
  readonly onAlive: () => void;
  readonly onDeath: (report: DeathReport) => void;
  /** The action ended the session itself. */
  readonly onQuit: () => void;
  /** A command came after the halt. */
  readonly onRefused: () => void;
}

export interface SessionOptions {
  readonly target: SessionTarget;
  readonly browser: BrowserOptions;
  /** The halt of this epoch: once it aborts, no command starts and those in flight reject with its reason. */
  readonly signal: AbortSignal;
  /** Ends the start, and nothing after it. */
  readonly startSignal?: AbortSignal;
  readonly commandTimeoutMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly listener: SessionListener;
  readonly beforeCommand?: CommandHook;
  readonly log: Log;
}

/** How long a quit may take. It takes 50 ms unless something is queued before it. */
const QUIT_LIMIT_MS = 5_000;
/** How long a start that was given up is awaited at somebody's endpoint, to end what comes of it. A browser starts in 1 to 3 s. */
const ABANDON_LIMIT_MS = 10_000;
/** A command in flight knows best why the browser went; it learns of it 50 ms after the socket (measured). */
const IN_FLIGHT_KNOWS_MS = 250;

export class BrowserSession {
  readonly #options: SessionOptions;
  readonly #process: DriverProcess | undefined;
  readonly #http: HttpClient;
  readonly #prober = new Prober();
  readonly #transport: CommandTransport;
  #id = '';
  #driver: WebDriver | undefined;
  #capabilities: Capabilities | undefined;
  #devtools: DevTools | undefined;
  #devtoolsUrl = '';
  #bidi: BidiWatch | undefined;
  #creating: Promise<void> = Promise.resolve();
  #isStarted = false;
  #diedEarly: DeathReport | undefined;
  #stopping: Promise<void> | undefined;
  #killing: Promise<void> | undefined;
  #releasing: Promise<void> | undefined;
  readonly #released = new AbortController();

  /** Throws `SessionStartError`, with nothing left behind, when there is no session to be had. */
  static async start(options: SessionOptions): Promise<BrowserSession> {
    const { target } = options;
    const signal = anySignal(options.signal, options.startSignal);
    signal.throwIfAborted();
    let session: BrowserSession | undefined;
    try {
      const process_ =
        target.kind === 'own'
          ? await DriverProcess.launch({
              driverPath: target.driverPath,
              signal,
              onExit: (message) => {
                if (session !== undefined)
                  session.#report({ cause: 'driver-gone', detectedBy: 'driver-exit', message });
              },
            })
          : undefined;
      session = new BrowserSession(options, process_);
      session.#creating = session.#create();
      await raceSignal(session.#creating, signal);
      await raceSignal(session.#watch(), signal);
      session.#finishStart();
      return session;
    } catch (thrown) {
      if (session !== undefined) await session.#abandon();
      throw signal.aborted ? toError(signal.reason) : toStartError(thrown, describeTarget(target));
    }
  }

  private constructor(options: SessionOptions, process_: DriverProcess | undefined) {
    const { target, signal, commandTimeoutMs, listener, beforeCommand } = options;
    this.#options = options;
    this.#process = process_;
    this.#http = new HttpClient(process_?.url ?? (target.kind === 'own' ? '' : target.url));
    this.#transport = new CommandTransport({
      http: this.#http,
      signal,
      commandTimeoutMs,
      ...(target.kind === 'attached' ? { attachTo: target } : {}),
      ...(beforeCommand === undefined ? {} : { beforeCommand }),
      ...(target.kind === 'own' ? { startLimitMs: OWN_START_LIMIT_MS } : {}),
      listener: {
        onAlive: listener.onAlive,
        onDeath: (report) => this.#report(report),
        onQuit: listener.onQuit,
        onRefused: listener.onRefused,
        probe: () => this.probe('command'),
        freePage: (handle) => this.#devtools?.freePage(handle),
      },
    });
  }

  get id(): string {
    return this.#id;
  }

  /** Selenium's own driver object; it passes our transport. */
  get driver(): WebDriver {
    if (this.#driver === undefined) throw new Error('the session is not started');
    return this.#driver;
  }

  get capabilities(): Readonly<Record<string, unknown>> {
    const { map_ } = this.#capabilities as unknown as { map_: Map<string, unknown> };
    return Object.fromEntries(map_);
  }

  /** The driver's process, where it is ours; its id is also its process group's. */
  get driverProcess(): { readonly pid: number; readonly folder: string } | undefined {
    return this.#process;
  }

  get endpointUrl(): string {
    return this.#http.url;
  }

  get browserPid(): number | undefined {
    const pid: unknown = this.#capabilities?.get('goog:processID') ?? this.#capabilities?.get('moz:processID');
    return typeof pid === 'number' ? pid : undefined;
  }

  get commandsInFlight(): number {
    return this.#transport.inFlight;
  }

  /** The page that was last navigated to, redacted. */
  get url(): string | null {
    return this.#transport.settings.url;
  }

  get cookies(): BrowserCookies {
    return cookiesOf(this.driver, this.#devtools);
  }

  /** What the browser calls itself to servers. */
  async userAgent(): Promise<string> {
    if (this.#devtools === undefined) return this.driver.executeScript<string>('return navigator.userAgent');
    const { userAgent } = (await this.#devtools.call('Browser.getVersion')) as { userAgent: string };
    return userAgent;
  }

  /** The current page's URL, as it is; through DevTools it doesn't queue behind commands. Null before the first page. */
  async pageUrl(): Promise<string | null> {
    const handle = this.#transport.settings.windowHandle;
    const url =
      this.#devtools === undefined || handle === null
        ? await this.driver.getCurrentUrl()
        : await this.#devtools.pageUrl(handle);
    return /^https?:/.test(url) ? url : null;
  }

  evidence(message: string): DeathEvidence {
    return { message, url: this.url, lastCommands: this.#transport.log.lines() };
  }

  /** Asks browser and driver, out of band, whether they live; reports the death if they don't. Never rejects. */
  async probe(detectedBy: Detector): Promise<void> {
    const { target, heartbeatTimeoutMs, listener } = this.#options;
    if (this.#isOver() || !this.#isStarted) return;
    const result = await this.#prober.probe({
      http: this.#http,
      sessionId: this.#id,
      devtools: this.#devtools,
      isOwnDriver: target.kind === 'own',
      pids: [this.#process?.pid, this.browserPid].filter((pid) => pid !== undefined),
      inFlight: () => this.#transport.inFlight,
      limitMs: heartbeatTimeoutMs,
    });
    if (this.#isOver()) return;
    if (result.state === 'alive') listener.onAlive();
    if (result.state !== 'dead') return;
    if (result.cause !== 'driver-gone' || !(await this.#process?.exitsWithin(IN_FLIGHT_KNOWS_MS))) {
      this.#report({ cause: result.cause, detectedBy, message: result.message });
    }
  }

  /** Ends the session as politely as it lets us, then everything that is ours. Idempotent. An attached session is left running. */
  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      const { signal, target } = this.#options;
      if (signal.aborted) return this.killNow();
      const isQuitDue = !this.#transport.isEnded && target.kind !== 'attached';
      // The action's own quit may still be under way.
      await settlesWithin(isQuitDue ? this.driver.quit() : this.#transport.quit, QUIT_LIMIT_MS);
      return this.#release();
    })();
    return this.#stopping;
  }

  /** Ends what is ours without asking. On somebody else's endpoint the session gets its one DELETE. Idempotent. */
  killNow(): Promise<void> {
    this.#killing ??= (async () => {
      if (this.#options.target.kind === 'endpoint') await settlesWithin(this.#delete(), QUIT_LIMIT_MS);
      await this.#release();
    })();
    return this.#killing;
  }

  /** Past the halt: the one command that a dead session still gets. */
  async #delete(): Promise<void> {
    if (this.#transport.isEnded || this.#id === '') return void (await this.#transport.quit);
    this.#transport.end();
    const signal = AbortSignal.timeout(QUIT_LIMIT_MS);
    await this.#http.send({ method: 'DELETE', path: `/session/${this.#id}`, signal });
  }

  /** What somebody's endpoint was asked for may still come to be after the start was given up; nobody else would end it. */
  async #abandon(): Promise<void> {
    if (this.#options.target.kind === 'endpoint') await settlesWithin(this.#creating, ABANDON_LIMIT_MS);
    await this.killNow();
  }

  /** Throws where the session died while it was still being started. */
  #finishStart(): void {
    this.#isStarted = true;
    if (this.#diedEarly === undefined) return;
    throw new SessionStartError(`The browser session died as soon as it was started: ${this.#diedEarly.message}`);
  }

  async #create(): Promise<void> {
    const { target, browser } = this.#options;
    const wanted = toCapabilities(browser, {
      // A driver that somebody runs on this machine has this user's trouble with the sandbox too.
      isLocal: target.kind === 'own' || isLoopback(target.url),
      ...(target.kind === 'own' ? { browserPath: target.browserPath } : {}),
    });
    const driver = createDriver(browser.browserName ?? 'chrome', wanted, new Executor(this.#transport));
    const session = await driver.getSession();
    this.#driver = driver;
    this.#id = session.getId();
    this.#capabilities = session.getCapabilities();
    // A session that isn't there is told at once, and so is the window that its commands go to.
    if (target.kind === 'attached') await driver.getWindowHandle();
  }

  /** DevTools where there is one, else BiDi, else the heartbeat alone. */
  async #watch(): Promise<void> {
    const { browser } = this.#options;
    await this.#tryTo('connect to DevTools', async () => {
      const url = await this.#findDevTools();
      if (url === undefined) return;
      this.#devtoolsUrl = url;
      await this.#connectDevTools();
    });
    const url: unknown = this.#capabilities?.get('webSocketUrl');
    if (typeof url === 'string' && (this.#devtools === undefined || browser.bidi === true)) {
      await this.#tryTo('connect to BiDi', async () => {
        const onClosed = (message: string) => void this.#onBidiClosed(message);
        this.#bidi = await watchBidi({ url, signal: this.#openSignal, onClosed });
      });
    }
  }

  /** Without its sockets a session works all the same; it is only watched less well. */
  async #tryTo(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (this.#isOver()) return;
      this.#options.log.warn(`Could not ${what}: deaths will be noticed later`, { reason: toError(thrown).message });
    }
  }

  /** Aborts when the session is over, so that no socket is opened, or kept, behind its back. */
  get #openSignal(): AbortSignal {
    return anySignal(this.#options.signal, this.#released.signal);
  }

  async #connectDevTools(): Promise<void> {
    this.#devtools = await DevTools.connect({
      url: this.#devtoolsUrl,
      signal: this.#openSignal,
      onClosed: (message) => void this.#onDevToolsClosed(message),
      onTabCrashed: (handle) => {
        // Another tab's crash leaves this window working; whoever switches to it is told by the command's own failure.
        const current = this.#transport.settings.windowHandle ?? this.#devtools?.onlyPage;
        if (handle !== current) return;
        this.#report({
          cause: 'tab-crashed',
          detectedBy: 'devtools',
          message: 'the tab crashed: its renderer process is gone',
        });
      },
    });
    this.#transport.settings.windowHandle ??= this.#devtools.onlyPage;
  }

  /** Grid offers a socket of its own; a browser's own address means something only on the machine where it runs. */
  async #findDevTools(): Promise<string | undefined> {
    const { target } = this.#options;
    const gridUrl: unknown = this.#capabilities?.get('se:cdp');
    if (typeof gridUrl === 'string') return gridUrl;
    if (target.kind !== 'own' && !isLoopback(target.url)) return undefined;
    for (const name of ['goog:chromeOptions', 'ms:edgeOptions']) {
      const options = this.#capabilities?.get(name) as { debuggerAddress?: string } | undefined;
      if (options?.debuggerAddress !== undefined) return findDevToolsUrl(options.debuggerAddress, this.#openSignal);
    }
    return undefined;
  }

  async #onDevToolsClosed(description: string): Promise<void> {
    // Gone for whoever asks meanwhile: a probe turns to the session itself.
    this.#devtools = undefined;
    if (this.#isOver()) return;
    if (this.#options.target.kind !== 'own') {
      await this.probe('devtools');
    } else {
      const found = await explainLostBrowser({
        http: this.#http,
        sessionId: this.#id,
        devtoolsUrl: this.#devtoolsUrl,
        oldestCommandMs: this.#transport.oldestCommandMs,
        commandsSettled: this.#transport.settled,
      });
      if (found !== undefined) {
        this.#report({ ...found, detectedBy: 'devtools', message: `${description}: ${found.message}` });
        return;
      }
    }
    if (!this.#isOver()) await this.#tryTo('connect to DevTools again', () => this.#connectDevTools());
  }

  async #onBidiClosed(message: string): Promise<void> {
    const { target } = this.#options;
    this.#bidi = undefined;
    if (this.#isOver()) return;
    // The socket runs through the driver: with our own driver gone its exit is told too, and says more.
    if (target.kind === 'own' && (await this.#process?.exitsWithin(IN_FLIGHT_KNOWS_MS / 5))) return;
    if (target.kind === 'own') this.#report({ cause: 'browser-gone', detectedBy: 'bidi', message });
    else await this.probe('bidi');
  }

  #isOver(): boolean {
    return this.#options.signal.aborted || this.#transport.isEnded || this.#releasing !== undefined;
  }

  #report(report: DeathReport): void {
    if (this.#transport.isEnded || this.#releasing !== undefined) return;
    if (this.#isStarted) this.#options.listener.onDeath(report);
    else this.#diedEarly ??= report;
  }

  #release(): Promise<void> {
    this.#releasing ??= (async () => {
      this.#transport.end();
      this.#released.abort(new SessionEndedError());
      this.#devtools?.close();
      this.#bidi?.close();
      try {
        if (this.#driver !== undefined) await terminateOwnSockets(this.#driver);
      } finally {
        await this.#process?.killNow();
        this.#http.close();
      }
    })();
    return this.#releasing;
  }
}
