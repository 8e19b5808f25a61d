/**
 * The sockets that watch one session beside its commands: DevTools if the browser offers it, otherwise BiDi. They are opened after the
 * session's start, explained when they close, and closed with the session. A session works without them, but its death is then detected
 * later.
 */
import type { Agent } from 'node:http';

import type { Capabilities } from 'selenium-webdriver';

import type { DeathReport, Detector } from '../model/death.ts';
import { anySignal, NOT_NEEDED, settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Bidi } from './bidi.ts';
import type { BrowserSocket } from './browser-socket.ts';
import type { CommandInfo } from './command-log.ts';
import { DevTools, findDevToolsUrl, isDevToolsReachable, type DevToolsOptions } from './devtools.ts';
import { connectToFirst, listSocketAddresses, toClientUrl, type SocketAddress } from './endpoint-socket.ts';
import type { SessionFacts } from './diagnosis/diagnosis.ts';
import type { HttpClient } from './http-client.ts';
import type { DriverProcess } from './driver-process.ts';
import { CLOSING_LIMIT_MS, explainLostBrowser, type Explanation } from './lost-browser.ts';
import { explainLostFirefox, findContentCrash } from './lost-firefox.ts';
import { isLoopback, type SessionTarget } from './session-target.ts';
import type { Recorder } from './recorder/recorder.ts';
import { BidiChannel } from './state/bidi-channel.ts';
import { CommandChannel, type Ask } from './state/command-channel.ts';
import { FallbackState } from './state/fallback-state.ts';
import type { StateChannel } from './state/state-channel.ts';
import { StateTracker } from './state/state-tracker.ts';
import type { CommandTransport } from './command-transport.ts';

/**
 * A command in flight gets this time to report the browser's end, because it has the best reason. Its answer comes 50 ms after the socket
 * closed (measured).
 */
export const IN_FLIGHT_ANSWER_LIMIT_MS = 250;

/** The driver and DevTools report the crash of a tab within a few milliseconds of each other (measured). */
const TAB_CRASH_LIMIT_MS = 50;

/** Browsers that are asked for their state by BiDi or by commands if they offer no DevTools. */
const KNOWN_BROWSERS = /^(firefox|safari|chrome|chromium|chrome-headless-shell|msedge|microsoftedge)$/i;

export interface SessionWatchOptions {
  readonly target: SessionTarget;
  readonly sessionId: string;
  readonly capabilities: Capabilities;
  /** True if a BiDi socket is opened in addition to DevTools. */
  readonly wantsBidi: boolean;
  readonly process: DriverProcess | undefined;
  readonly http: HttpClient;
  readonly transport: CommandTransport;
  readonly facts: SessionFacts;
  readonly halt: AbortSignal;
  /** Aborts with the session's halt, and when the session is released. */
  readonly signal: AbortSignal;
  readonly recorder: Recorder | undefined;
  readonly log: Log;
  readonly isOver: () => boolean;
  readonly report: (report: DeathReport) => void;
  readonly probe: (detectedBy: Detector) => Promise<boolean>;
}

export class SessionWatch {
  readonly #options: SessionWatchOptions;
  readonly #closed = new AbortController();
  #recorder: Recorder | undefined;
  readonly tracker: StateTracker;
  #devtools: DevTools | undefined;
  #devtoolsUrl = '';
  /** The addresses of DevTools to try; after the first connection, the one that was reached. */
  #devtoolsAddresses: [SocketAddress, ...SocketAddress[]] = [{ url: '', headers: {} }];
  #bidi: Bidi | undefined;
  /** Resolves with the code with which the BiDi socket was closed. */
  readonly #bidiClosed = Promise.withResolvers<number>();
  #bidiCloseCode: number | undefined;
  #fallback: FallbackState | undefined;
  readonly #tabCrash = Promise.withResolvers<void>();

  /** Opens the sockets that the session offers. Never rejects. */
  static async open(options: SessionWatchOptions): Promise<SessionWatch> {
    const watch = new SessionWatch(options);
    watch.#beginRecording();
    await watch.#open();
    return watch;
  }

  private constructor(options: SessionWatchOptions) {
    this.#options = options;
    this.#recorder = options.recorder;
    this.tracker = new StateTracker(() => this.#devtools);
  }

  /** Undefined if the browser offers no DevTools, and while a broken connection is being restored. */
  get devtools(): DevTools | undefined {
    return this.#devtools;
  }

  /** The socket that proves that the browser is alive. BiDi of Chromium is part of its driver, and waits for commands. */
  get socket(): BrowserSocket | undefined {
    const isFirefox = this.#options.capabilities.getBrowserName() === 'firefox';
    return this.#devtools ?? (isFirefox ? this.#bidi : undefined);
  }

  /** Undefined if the session has no BiDi socket, or has one only for the user. */
  get bidi(): StateChannel | undefined {
    return this.#bidi && new BidiChannel(this.#bidi);
  }

  /** Returns the report with the cause behind a command's answer; undefined if the answer itself is the cause. */
  explain(report: DeathReport): Promise<DeathReport> | undefined {
    if (report.cause === 'tab-crashed') return this.#tabCrashReported().then(() => report);
    if (report.cause !== 'session-removed' && report.cause !== 'browser-gone') return undefined;
    if (this.#isOwnFirefox) return this.#explainFirefoxAnswer(report);
    return report.cause === 'session-removed' ? this.#explainRemoval(report) : undefined;
  }

  /** Resolves when DevTools has reported a crash of a tab, or after 50 ms. Its report has the exit status of the tab's process. */
  async #tabCrashReported(): Promise<void> {
    if (this.#devtools !== undefined) await settlesWithin(this.#tabCrash.promise, TAB_CRASH_LIMIT_MS);
  }

  /** Undefined with DevTools, and for browsers that are not known to answer. */
  get fallback(): FallbackState | undefined {
    return this.#fallback;
  }

  /** Records a command of the user before it is sent. Returns a promise if the command must wait. */
  onCommand({ label, data }: CommandInfo): Promise<unknown> | undefined {
    this.#fallback?.onCommand(label, data);
    return this.tracker.onCommand(this.#options.transport.settings.windowHandle, label, data);
  }

  close(): void {
    this.#closed.abort(NOT_NEEDED);
    this.#devtools?.close();
    this.#bidi?.close();
  }

  async #open(): Promise<void> {
    const { capabilities, wantsBidi, target } = this.#options;
    await this.#tryTo('connect to DevTools', async () => {
      const url = await this.#findDevTools();
      if (url === undefined) return;
      this.#devtoolsUrl = url;
      // The address of a browser itself is valid as it is.
      const isOffered = capabilities.get('se:cdp') === url;
      this.#devtoolsAddresses = isOffered ? listSocketAddresses(url, target) : [{ url, headers: {} }];
      await this.#connectDevTools();
      if (isOffered) capabilities.set('se:cdp', toClientUrl(this.#devtoolsAddresses[0], target));
    });
    const url: unknown = capabilities.get('webSocketUrl');
    if (typeof url === 'string' && (this.#devtools === undefined || wantsBidi)) {
      await this.#tryTo('connect to BiDi', async () => {
        const onClosed = (message: string, code: number) => {
          this.#bidiCloseCode = code;
          this.#bidiClosed.resolve(code);
          void this.#onBidiClosed(message);
        };
        const signal = this.#openSignal;
        const { socket, address } = await connectToFirst(listSocketAddresses(url, target), (to, connectLimitMs) =>
          Bidi.connect({ ...to, connectLimitMs, agent: this.#agentFor(to.url), signal, onClosed }),
        );
        this.#bidi = socket;
        capabilities.set('webSocketUrl', toClientUrl(address, target));
        this.#options.transport.settings.windowHandle ??= await new BidiChannel(socket).onlyPage();
      });
    } else if (typeof url === 'string' && this.#devtoolsAddresses[0].url !== this.#devtoolsUrl) {
      // The node was not reached at its own address, so its BiDi socket is not reached there either.
      const address = listSocketAddresses(url, target).at(-1);
      if (address !== undefined) capabilities.set('webSocketUrl', toClientUrl(address, target));
    }
    if (this.#devtools === undefined && KNOWN_BROWSERS.test(String(capabilities.get('browserName'))))
      this.#fallback = this.#makeFallback();
  }

  /** Lets `recorder` record the session from now on. */
  record(recorder: Recorder): void {
    this.#recorder = recorder;
    this.#beginRecording();
    const devtools = this.#devtools;
    for (const handle of devtools?.handles ?? []) if (devtools !== undefined) recorder.onPageAttached(handle, devtools);
  }

  #beginRecording(): void {
    const { halt, capabilities, transport, process } = this.#options;
    this.#recorder?.begin({
      signal: halt,
      over: this.#openSignal,
      browser: [capabilities.get('browserName'), capabilities.get('browserVersion')].filter(Boolean).join(' '),
      commands: transport.log,
      processGroup: process?.pid,
      devtools: () => this.#devtools,
      windowHandle: () => transport.settings.windowHandle,
    });
  }

  #makeFallback(): FallbackState {
    const { transport, sessionId } = this.#options;
    const ask: Ask = (method, route, data) => transport.ask(`/session/${sessionId}`, { method, route, data });
    const commands = new CommandChannel(ask);
    return new FallbackState({
      ask,
      channel: () => this.bidi ?? commands,
      settings: transport.settings,
      commandsInFlight: () => transport.inFlight,
    });
  }

  /** Returns the agent for a socket. Sockets of this machine need no proxy. */
  #agentFor(url: string): Agent | undefined {
    return isLoopback(url) ? undefined : this.#options.http.socketAgent;
  }

  async #tryTo(what: string, work: () => Promise<void>): Promise<void> {
    const { isOver, log } = this.#options;
    try {
      await work();
    } catch (thrown) {
      if (isOver()) return;
      log.warn(`Could not ${what}: deaths will be detected later`, { reason: toError(thrown).message });
    }
  }

  /** Aborts when the session is over, so that no socket outlives it. */
  get #openSignal(): AbortSignal {
    return anySignal(this.#options.signal, this.#closed.signal);
  }

  async #connectDevTools(): Promise<void> {
    const { report, transport, facts } = this.#options;
    const options: Omit<DevToolsOptions, 'url'> = {
      signal: this.#openSignal,
      onClosed: (message) => void this.#onDevToolsClosed(message),
      onTabCrashed: (handle, crash) => {
        facts.noteTabCrash(crash);
        this.#tabCrash.resolve();
        // The crash of another tab does not affect this window; a command that switches to that tab fails by itself.
        const current = transport.settings.windowHandle ?? this.#devtools?.onlyPage;
        if (handle !== current) return;
        const message = 'the tab crashed: its renderer process is gone';
        report({ cause: 'tab-crashed', detectedBy: 'devtools', message });
      },
      onPageAttached: (handle, devtools) => {
        this.tracker.onPageAttached(handle, devtools);
        this.#recorder?.onPageAttached(handle, devtools);
      },
      onPageClosed: (handle) => {
        this.tracker.onPageClosed(handle);
        this.#recorder?.onPageClosed(handle);
      },
      onPageEvent: (handle, event) => {
        this.tracker.onPageEvent(handle, event);
        this.#recorder?.onPageEvent(handle, event);
      },
    };
    const { socket, address } = await connectToFirst(this.#devtoolsAddresses, (to, connectLimitMs) =>
      DevTools.connect({ ...options, ...to, connectLimitMs, agent: this.#agentFor(to.url) }),
    );
    this.#devtools = socket;
    this.#devtoolsAddresses = [address];
    transport.settings.windowHandle ??= socket.onlyPage;
  }

  /** True if a command in flight closes a window. A browser that ends with its last window was not killed. */
  get #isWindowClosing(): boolean {
    return this.#options.transport.log.isUnanswered('DELETE /window');
  }

  get #hasBidi(): boolean {
    return typeof this.#options.capabilities.get('webSocketUrl') === 'string';
  }

  /** Explains the answer that the session was removed. With BiDi, chromedriver gives the same answer if the browser is gone. */
  async #explainRemoval(report: DeathReport): Promise<DeathReport> {
    const isSure = this.#options.target.kind !== 'own' || !this.#hasBidi || this.#devtoolsUrl === '';
    if (isSure || (await isDevToolsReachable(this.#devtoolsUrl, IN_FLIGHT_ANSWER_LIMIT_MS))) return report;
    return { ...report, cause: 'browser-gone' };
  }

  get #isOwnFirefox(): boolean {
    const { target } = this.#options;
    return target.kind === 'own' && target.family?.name === 'firefox';
  }

  async #explainFirefoxAnswer(report: DeathReport): Promise<DeathReport> {
    if (this.#bidi !== undefined) await settlesWithin(this.#bidiClosed.promise, IN_FLIGHT_ANSWER_LIMIT_MS);
    const found = await this.#explainFirefox(report);
    return found === undefined ? report : { ...report, ...found, message: `${report.message}: ${found.message}` };
  }

  async #explainFirefox(report?: DeathReport): Promise<Explanation | undefined> {
    const { http, process, facts } = this.#options;
    const output = process?.lastOutput ?? '';
    const found = await explainLostFirefox({
      http,
      output,
      closeCode: this.#bidiCloseCode,
      ...(report === undefined ? {} : { report }),
    });
    const crash = found?.cause === 'tab-crashed' ? findContentCrash(output) : undefined;
    if (crash !== undefined) facts.noteTabCrash(crash);
    return found;
  }

  /** Returns the URL of the DevTools socket. A Grid offers its own; a browser's own address is valid only on the machine where it runs. */
  async #findDevTools(): Promise<string | undefined> {
    const { target, capabilities } = this.#options;
    const gridUrl: unknown = capabilities.get('se:cdp');
    if (typeof gridUrl === 'string') return gridUrl;
    if (target.kind !== 'own' && !isLoopback(target.url)) return undefined;
    for (const name of ['goog:chromeOptions', 'ms:edgeOptions']) {
      const options = capabilities.get(name) as { debuggerAddress?: string } | undefined;
      if (options?.debuggerAddress !== undefined) return findDevToolsUrl(options.debuggerAddress, this.#openSignal);
    }
    return undefined;
  }

  async #onDevToolsClosed(description: string): Promise<void> {
    const { target, isOver, probe, http, sessionId, transport, report, facts } = this.#options;
    facts.noteClosedSocket();
    // Undefined for callers from here on, so that a probe asks the session itself.
    this.#devtools = undefined;
    if (isOver()) return;
    if (target.kind !== 'own') {
      await probe('devtools');
    } else {
      const found = await explainLostBrowser({
        http,
        sessionId,
        devtoolsUrl: this.#devtoolsUrl,
        hasBidi: this.#hasBidi,
        oldestCommandMs: transport.oldestCommandMs,
        isWindowClosing: this.#isWindowClosing,
        commandsSettled: transport.settled,
      });
      if (found !== undefined) {
        report({ ...found, detectedBy: 'devtools', message: `${description}: ${found.message}` });
        return;
      }
    }
    if (!isOver()) await this.#tryTo('connect to DevTools again', () => this.#connectDevTools());
  }

  async #onBidiClosed(message: string): Promise<void> {
    const { target, isOver, process, report, probe, transport, facts } = this.#options;
    facts.noteClosedSocket();
    this.#bidi = undefined;
    if (this.#isWindowClosing) await settlesWithin(transport.settled, CLOSING_LIMIT_MS);
    if (isOver()) return;
    // The socket belongs to the driver. If this program's own driver is gone, its exit is reported too, with more information.
    if (target.kind === 'own' && (await process?.exitsWithin(IN_FLIGHT_ANSWER_LIMIT_MS))) return;
    const found = this.#isOwnFirefox ? await this.#explainFirefox() : undefined;
    if (isOver()) return;
    if (found !== undefined) {
      report({ ...found, detectedBy: 'bidi', message: `${message}: ${found.message}` });
      return;
    }
    const isBrowserKnown = target.kind === 'own' && this.#devtoolsUrl !== '';
    if (isBrowserKnown && !(await isDevToolsReachable(this.#devtoolsUrl, IN_FLIGHT_ANSWER_LIMIT_MS)))
      report({ cause: 'browser-gone', detectedBy: 'bidi', message });
    else await probe('bidi');
  }
}
