/**
 * One WebDriver session with everything that belongs to it: driver process, transport, DevTools, selenium's driver object. It reports
 * what it sees and decides nothing: declaring a death, and ending the processes afterwards, is the supervisor's.
 */
import chrome from 'selenium-webdriver/chrome.js';
import { WebDriver, type Capabilities } from 'selenium-webdriver';
import { Executor } from 'selenium-webdriver/http/index.js';

import { anySignal, raceSignal, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { watchBidi, type BidiWatch } from './bidi.ts';
import { isChromium, toCapabilities, type BrowserOptions } from './capabilities.ts';
import { cookiesOf, type BrowserCookies } from './cookies.ts';
import type { DeathEvidence, DeathReport, Detector } from './death.ts';
import { DevTools, findDevToolsUrl } from './devtools.ts';
import { HttpClient } from './http-client.ts';
import { DriverProcess } from './launch.ts';
import { explainLostBrowser } from './lost-browser.ts';
import { probeSession } from './probe.ts';
import { terminateOwnSockets } from './sockets.ts';
import { toStartError } from './start-errors.ts';
import { CommandTransport } from './transport.ts';

/** Where the session comes from: a driver of our own, somebody's endpoint (a Grid, a running driver), or an existing session there. */
export type SessionTarget =
  | { readonly kind: 'own'; readonly driverPath: string; readonly browserPath: string }
  | { readonly kind: 'endpoint'; readonly url: string }
  | { readonly kind: 'attached'; readonly url: string; readonly sessionId: string; readonly capabilities: object };

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
  readonly log: Log;
}

/** How long a quit may take. It takes 50 ms unless something is queued before it. */
const QUIT_LIMIT_MS = 5_000;
/** A command in flight knows best why the browser went; it learns of it 50 ms after the socket (measured). */
const IN_FLIGHT_KNOWS_MS = 250;

export class BrowserSession {
  readonly #options: SessionOptions;
  readonly #process: DriverProcess | undefined;
  readonly #http: HttpClient;
  readonly #transport: CommandTransport;
  #id = '';
  #driver: WebDriver | undefined;
  #capabilities: Capabilities | undefined;
  #devtools: DevTools | undefined;
  #devtoolsUrl = '';
  #bidi: BidiWatch | undefined;
  #releasing: Promise<void> | undefined;

  /** Throws `SessionStartError`, with nothing left behind, when there is no session to be had. */
  static async start(options: SessionOptions): Promise<BrowserSession> {
    const { target, listener } = options;
    const signal = anySignal(options.signal, options.startSignal);
    const process_ =
      target.kind === 'own'
        ? await DriverProcess.launch({
            driverPath: target.driverPath,
            signal,
            onExit: (message) => session.#report({ cause: 'driver-gone', detectedBy: 'driver-exit', message }),
          })
        : undefined;
    const session: BrowserSession = new BrowserSession(options, process_, listener);
    try {
      await raceSignal(session.#create(), signal);
      await session.#watch();
      return session;
    } catch (thrown) {
      await session.#release();
      throw signal.aborted ? toError(signal.reason) : toStartError(thrown, describeTarget(target));
    }
  }

  private constructor(options: SessionOptions, process_: DriverProcess | undefined, listener: SessionListener) {
    const { target, signal, commandTimeoutMs } = options;
    this.#options = options;
    this.#process = process_;
    this.#http = new HttpClient(process_?.url ?? (target.kind === 'own' ? '' : target.url));
    this.#transport = new CommandTransport({
      http: this.#http,
      signal,
      commandTimeoutMs,
      ...(target.kind === 'attached' ? { attachTo: target } : {}),
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
    const { signal, target, heartbeatTimeoutMs, listener } = this.#options;
    if (signal.aborted || this.#transport.isEnded) return;
    const result = await probeSession({
      http: this.#http,
      sessionId: this.#id,
      devtools: this.#devtools,
      isOwnDriver: target.kind === 'own',
      inFlight: () => this.#transport.inFlight,
      limitMs: heartbeatTimeoutMs,
    });
    if (result.alive) listener.onAlive();
    else if (result.cause !== 'driver-gone' || !(await this.#process?.exitsWithin(IN_FLIGHT_KNOWS_MS))) {
      this.#report({ cause: result.cause, detectedBy, message: result.message });
    }
  }

  /** Ends the session as politely as it lets us, then everything that is ours. Idempotent. An attached session is left running. */
  async stop(): Promise<void> {
    const { signal, target } = this.#options;
    if (!signal.aborted && !this.#transport.isEnded && target.kind !== 'attached' && this.#driver !== undefined) {
      await settlesWithin(this.#driver.quit(), QUIT_LIMIT_MS);
    }
    await this.#release();
  }

  /** Ends what is ours without asking. On somebody else's endpoint the session gets its one DELETE. Idempotent. */
  async killNow(): Promise<void> {
    if (this.#options.target.kind === 'endpoint' && !this.#transport.isEnded) {
      const deleted = this.#http.send({
        method: 'DELETE',
        path: `/session/${this.#id}`,
        signal: AbortSignal.timeout(QUIT_LIMIT_MS),
      });
      await settlesWithin(deleted, QUIT_LIMIT_MS);
    }
    await this.#release();
  }

  async #create(): Promise<void> {
    const { target, browser } = this.#options;
    const wanted = toCapabilities(browser, {
      // A driver that somebody runs on this machine has this user's trouble with the sandbox too.
      isLocal: target.kind === 'own' || isLoopback(target.url),
      ...(target.kind === 'own' ? { browserPath: target.browserPath } : {}),
    });
    const executor = new Executor(this.#transport);
    const driver = isChromium(browser.browserName ?? 'chrome')
      ? chrome.Driver.createSession(wanted, executor)
      : WebDriver.createSession(executor, wanted);
    const session = await driver.getSession();
    this.#driver = driver;
    this.#id = session.getId();
    this.#capabilities = session.getCapabilities();
  }

  /** DevTools where there is one, else BiDi, else the heartbeat alone. */
  async #watch(): Promise<void> {
    const { browser, signal, log } = this.#options;
    try {
      const url = await this.#findDevTools();
      if (url !== undefined) {
        this.#devtoolsUrl = url;
        await this.#connectDevTools();
      }
    } catch (thrown) {
      if (signal.aborted) throw toError(signal.reason);
      log.warn('No DevTools connection: deaths will be noticed later', { reason: toError(thrown).message });
    }
    const webSocketUrl: unknown = this.#capabilities?.get('webSocketUrl');
    if (typeof webSocketUrl === 'string' && (this.#devtools === undefined || browser.bidi === true)) {
      this.#bidi = await watchBidi(webSocketUrl, (message) => void this.#onBidiClosed(message));
    }
  }

  async #connectDevTools(): Promise<void> {
    const { signal } = this.#options;
    this.#devtools = await DevTools.connect({
      url: this.#devtoolsUrl,
      signal,
      onClosed: (message) => void this.#onDevToolsClosed(message),
      onTabCrashed: (handle) => {
        // Another tab's crash leaves this window working; whoever switches to it is told by the command's own failure.
        const current = this.#transport.settings.windowHandle;
        if (current !== null && current !== handle) return;
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
    const { target, signal } = this.#options;
    const gridUrl: unknown = this.#capabilities?.get('se:cdp');
    if (typeof gridUrl === 'string') return gridUrl;
    if (target.kind !== 'own' && !isLoopback(target.url)) return undefined;
    for (const name of ['goog:chromeOptions', 'ms:edgeOptions']) {
      const options = this.#capabilities?.get(name) as { debuggerAddress?: string } | undefined;
      if (options?.debuggerAddress !== undefined) return findDevToolsUrl(options.debuggerAddress, signal);
    }
    return undefined;
  }

  async #onDevToolsClosed(description: string): Promise<void> {
    const { signal, target, log } = this.#options;
    if (this.#isOver()) return;
    if (target.kind !== 'own') {
      await this.probe('devtools');
    } else {
      const found = await explainLostBrowser({
        http: this.#http,
        sessionId: this.#id,
        devtoolsUrl: this.#devtoolsUrl,
        oldestCommandMs: this.#transport.oldestCommandMs,
        commandsSettled: this.#transport.settled,
      });
      if (this.#isOver()) return;
      if (found !== undefined) {
        this.#report({ ...found, detectedBy: 'devtools', message: `${description}: ${found.message}` });
        return;
      }
    }
    if (this.#isOver()) return;
    try {
      await this.#connectDevTools();
    } catch (thrown) {
      this.#devtools = undefined;
      if (signal.aborted) return;
      log.warn('The DevTools connection was lost and could not be made again', { reason: toError(thrown).message });
    }
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
    this.#options.listener.onDeath(report);
  }

  #release(): Promise<void> {
    this.#releasing ??= (async () => {
      this.#devtools?.close();
      this.#bidi?.close();
      if (this.#driver !== undefined) await terminateOwnSockets(this.#driver);
      await this.#process?.killNow();
      this.#http.close();
    })();
    return this.#releasing;
  }
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

function describeTarget(target: SessionTarget): { endpointUrl?: string; driverPath?: string; browserPath?: string } {
  return target.kind === 'own'
    ? { driverPath: target.driverPath, browserPath: target.browserPath }
    : { endpointUrl: target.url };
}
