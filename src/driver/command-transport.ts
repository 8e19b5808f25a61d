/**
 * The one entry point of all commands, for every library that builds on selenium. It refuses commands after a halt, gives each a deadline,
 * never sends one twice, counts a success as a heartbeat, reports to its session what each failure means, and stores the last commands.
 */
import { Response } from 'selenium-webdriver/http/index.js';

import type { DeathReport, Detector } from '../model/death.ts';
import { raceSignal, settlesWithin, withDeadline } from '../core/abort.ts';
import { Deadlines } from '../core/deadlines.ts';
import { DeadlineError, toError } from '../core/errors.ts';
import { CommandLog, toCommandLabel, type CommandInfo } from './command-log.ts';
import { CommandTimeoutError, SessionEndedError } from './death.ts';
import type { HttpAnswer, HttpClient } from './http-client.ts';
import { isProxyFailure } from './describe-proxy.ts';
import { SENDS_DEVTOOLS, SessionSettings } from './session-settings.ts';
import { appendToMessage, parseFailure, verdictOfAnswer } from './verdicts.ts';
import type { WireClient, WireRequest, WireResponse } from './wire.ts';

/** The time that a command gets after its page was freed at the deadline. */
const GRACE_AFTER_DEADLINE_MS = 3_000;
/** The maximum time of a command of the library itself: a page load. */
const ASK_LIMIT_MS = 30_000;
/** Commands that the driver answers from its memory, even for a dead browser (measured). They do not prove that it is alive. */
const ANSWERED_BY_DRIVER = new Set(['GET /timeouts', 'POST /timeouts', 'GET /window', 'POST /window']);
/** Commands whose success means more than that the session is alive. */
const UNUSUAL_COMMANDS = new Set([
  ...ANSWERED_BY_DRIVER,
  ...SENDS_DEVTOOLS,
  'POST /session',
  'DELETE /',
  'DELETE /window',
  'POST /execute/async',
  'POST /frame',
  'POST /frame/parent',
  'POST /window/rect',
  'POST /window/maximize',
  'POST /window/minimize',
  'POST /window/fullscreen',
]);

const CREATE = 'POST /session';
const QUIT = 'DELETE /';
/** The answer of a driver for a session that has ended (W3C WebDriver, section 6.6). */
const NO_SUCH_SESSION = JSON.stringify({
  value: { error: 'invalid session id', message: 'invalid session id: its last window was closed', stacktrace: '' },
});

const { signal: NEVER } = new AbortController();

export interface TransportOptions {
  readonly http: HttpClient;
  /** Aborts at the halt; its reason is the error of all callers. */
  readonly signal: AbortSignal;
  /** The minimum deadline of a command. */
  readonly commandTimeoutMs: number;
  /** The time limit of the session's start. Default 290 s. */
  readonly startLimitMs?: number | undefined;
  /** The answer to the session's start, if another client has started it. */
  readonly attachTo?: { readonly sessionId: string; readonly capabilities: object };
  readonly listener: TransportListener;
  /** Returns a description of the browser's proxy; undefined if it has none. */
  readonly describeProxy?: () => string | undefined;
  /** Called before each command is sent. A returned promise is awaited; a throw refuses the command. */
  readonly beforeCommand?: CommandHook;
  /** Called before each request except a quit. A returned promise is awaited; a rejection refuses the command. */
  readonly beforeSend?: () => Promise<void> | undefined;
}

/**
 * A hook that is called with each command before it is sent. It returns undefined to send the command at once, returns a promise to hold
 * it, or throws to refuse it.
 */
export type CommandHook = (command: CommandInfo) => Promise<void> | undefined;

/** The transport's reports and questions to its session. */
export interface TransportListener {
  readonly onAlive: () => void;
  /** Called at a death. A returned promise is awaited; the death is declared when it resolves. */
  readonly onDeath: (report: DeathReport) => Promise<void> | void;
  /** Called when the action itself ended the session, by `quit()` or by closing the last window. */
  readonly onQuit: () => void;
  /** Called when a command comes after the halt. A returned error is thrown instead of the halt's reason. */
  readonly onRefused: () => Error | undefined;
  /**
   * Finds out whether the session is alive, after a failure with an unknown cause. A death is declared before it resolves. Resolves with
   * true if the browser and the driver have answered.
   */
  readonly probe: (detectedBy: Detector, options?: { readonly isAnswered: boolean }) => Promise<boolean>;
  /** Stops the scripts and loads of the current page, if possible. */
  readonly freePage: (handle: string | null) => void;
  /** Does the same only if the page does not answer. Resolves when the page answers again, or after a short time. */
  readonly freeBusyPage: (handle: string | null) => Promise<void>;
}

/** A command of the library itself. */
interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** The path below the session, such as `/cookie`. */
  readonly route: string;
  readonly data?: object | undefined;
}

/** A supervised implementation of selenium's HTTP client for one session. A halt is final. */
export class CommandTransport implements WireClient {
  readonly log = new CommandLog();
  readonly settings: SessionSettings;
  readonly #options: TransportOptions;
  /** The commands in the order of their start, with the time of it. */
  readonly #inFlight = new Map<Promise<unknown>, number>();
  readonly #deadlines = new Deadlines();
  /** Aborts when the session's end is requested. */
  readonly #end = new AbortController();
  /** True after the last window was closed, which ends the session. */
  #isWindowless = false;
  /**
   * True after a command was never answered although the browser and the driver are alive. If the next one is not answered either, the
   * session is unusable.
   */
  #isStuck = false;
  #quit: Promise<unknown> = Promise.resolve();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.settings = new SessionSettings(options.commandTimeoutMs, options.startLimitMs);
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** True if the session's end was requested. A socket that closes afterwards is not a death. */
  get isEnded(): boolean {
    return this.#end.signal.aborted;
  }

  /** Refuses further commands, because the session is being ended. Commands in flight end with it. */
  end(): void {
    const { signal } = this.#options;
    this.#end.abort(signal.aborted ? signal.reason : new SessionEndedError());
    this.#deadlines.clear();
  }

  /** Settles with the action's own quit if it is in flight, otherwise at once. */
  get quit(): Promise<unknown> {
    return this.#quit;
  }

  /** The age of the oldest command in flight in milliseconds; null if there is none. */
  get oldestCommandMs(): number | null {
    const [startedAt] = this.#inFlight.values();
    return startedAt === undefined ? null : performance.now() - startedAt;
  }

  /** Resolves when the commands that are in flight now are settled. */
  get settled(): Promise<unknown> {
    return Promise.allSettled(this.#inFlight.keys());
  }

  /** Sends a command. Selenium's `http.Executor` calls it. */
  async send(request: WireRequest): Promise<WireResponse> {
    const { signal, attachTo, beforeCommand } = this.#options;
    if (attachTo !== undefined && request.method === 'POST' && request.path === '/session') {
      const body = JSON.stringify({ value: attachTo });
      this.settings.learn('POST /session', request.data, body);
      return new Response(200, {}, body);
    }
    const label = toCommandLabel(request.method, request.path);
    if (label === QUIT && (signal.aborted || this.isEnded)) return this.#answerLateQuit();
    if (this.#isWindowless) return new Response(404, {}, NO_SUCH_SESSION);
    this.#throwIfClosed();
    const held = beforeCommand?.({ label, data: request.data });
    if (held !== undefined) {
      await raceSignal(held, signal);
      this.#throwIfClosed();
    }
    const command = this.#exchange(request, label, this.#inFlight.size > 0 ? this.settled : undefined);
    // Only a quit ends the session before its first await.
    if (this.isEnded) this.#quit = command;
    return this.#whileInFlight(command);
  }

  /**
   * Sends a command of the library itself to the session at `path`. It bypasses selenium, its hooks and the command log. A command that is
   * not answered rejects, and is no death: the page may be busy without any of the user's code waiting for it. Resolves with the value of
   * the answer.
   */
  async ask(path: string, { method, route, data }: Question): Promise<unknown> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    if (this.isEnded) throw new SessionEndedError();
    const label = toCommandLabel(method, path + route);
    this.settings.learnNavigation(label, data);
    const body = method === 'POST' ? { body: JSON.stringify(data ?? {}) } : {};
    const beforeSend = () => this.#beforeSend();
    const exchange = this.#options.http.send({
      method,
      path: path + route,
      ...body,
      inOrder: true,
      beforeSend,
      signal,
    });
    const answer = await this.#whileInFlight(this.#awaitOwn(exchange, label));
    await this.#judge(answer, { label, data, isQuit: false });
    if (answer.status !== 200) throw new Error(verdictOfAnswer(answer.body).message);
    return (JSON.parse(answer.body) as { value?: unknown }).value;
  }

  async #awaitOwn(exchange: Promise<HttpAnswer>, label: string): Promise<HttpAnswer> {
    try {
      return await withDeadline(exchange, Math.min(this.settings.deadlineFor(label), ASK_LIMIT_MS), label);
    } catch (thrown) {
      throw thrown instanceof DeadlineError ? thrown : await this.#explainBrokenExchange(toError(thrown), false);
    }
  }

  /** The session's end waits behind a held command, so the end releases it. */
  #beforeSend(): Promise<void> | undefined {
    const held = this.#options.beforeSend?.();
    return held === undefined ? undefined : raceSignal(held, this.#end.signal);
  }

  async #whileInFlight<Value>(command: Promise<Value>): Promise<Value> {
    this.#inFlight.set(command, performance.now());
    try {
      return await command;
    } finally {
      this.#inFlight.delete(command);
    }
  }

  /** A `quit()` succeeds if the session is dead or has ended. Bare selenium resolves it too (measured). */
  async #answerLateQuit(): Promise<WireResponse> {
    await Promise.allSettled([this.#quit]);
    return quitAnswer();
  }

  /** Throws if the session is dead or has ended. */
  #throwIfClosed(): void {
    const { signal, listener } = this.#options;
    if (signal.aborted) throw listener.onRefused() ?? toError(signal.reason);
    if (this.isEnded) throw new SessionEndedError();
  }

  async #exchange(request: WireRequest, label: string, ahead: Promise<unknown> | undefined): Promise<WireResponse> {
    const { http, signal, listener } = this.#options;
    const entry = this.log.begin(label);
    this.settings.learnNavigation(label, request.data);
    const hasBody = request.method === 'POST' || request.method === 'PUT';
    const body = hasBody ? JSON.stringify(request.data) : undefined;
    const isQuit = label === QUIT;
    if (isQuit) this.#end.abort(new SessionEndedError());
    let answer: HttpAnswer;
    try {
      const exchange = http.send({
        method: request.method,
        path: request.path,
        headers: Object.fromEntries(request.headers),
        ...(body === undefined ? {} : { body }),
        inOrder: true,
        beforeSend: isQuit ? undefined : () => this.#beforeSend(),
        // An aborted start may leave a session at the endpoint, and its answer is needed to end that session.
        signal: label === CREATE ? NEVER : signal,
      });
      answer = await this.#withinDeadline(exchange, { label, ahead });
    } catch (thrown) {
      const error = toError(thrown);
      entry.end((error as NodeJS.ErrnoException).code ?? error.name);
      if (isQuit) listener.onQuit();
      if (isQuit && signal.aborted) return quitAnswer();
      throw await this.#explainBrokenExchange(error, isQuit);
    }
    entry.end(String(answer.status));
    this.#isStuck = false;
    // A shortcut for most commands.
    if (answer.status === 200 && !UNUSUAL_COMMANDS.has(label)) listener.onAlive();
    else await this.#judge(answer, { label, data: request.data, isQuit });
    const answered = answer.status === 200 ? answer.body : await this.#explainFailure(answer.body);
    return new Response(answer.status, answer.headers, answered);
  }

  /** Returns the answer, extended by the cause that this library has found. */
  async #explainFailure(body: string): Promise<string> {
    const { error, message } = parseFailure(body);
    if (error === 'timeout') return this.#endTimeout(body);
    const proxy = isProxyFailure(message) ? this.#options.describeProxy?.() : undefined;
    return proxy === undefined ? body : appendToMessage(body, ` (through ${proxy})`);
  }

  /**
   * Handles a timeout of the driver. The page may loop forever, and then every later command would time out too (measured). Returns the
   * answer with the page's URL in its message.
   */
  async #endTimeout(body: string): Promise<string> {
    const { signal, listener } = this.#options;
    const { url, windowHandle } = this.settings;
    // A quit that waits behind this command ends the page anyway.
    if (!this.isEnded) await raceSignal(listener.freeBusyPage(windowHandle), signal);
    return url === null ? body : appendToMessage(body, ` (page: ${url})`);
  }

  /** Looks up a failure in the table. A success is a heartbeat and reveals settings of the session. */
  async #judge(
    answer: HttpAnswer,
    { label, data, isQuit }: { label: string; data: unknown; isQuit: boolean },
  ): Promise<void> {
    const { listener, signal } = this.#options;
    if (isQuit) {
      listener.onQuit();
      return;
    }
    if (answer.status === 200) {
      this.settings.learn(label, data, answer.body);
      if (label === 'DELETE /window' && isEmptyList(answer.body)) {
        this.#end.abort(new SessionEndedError());
        this.#isWindowless = true;
        listener.onQuit();
      } else if (label === 'POST /execute/async' && isNull(answer.body)) {
        // If the browser ends during an asynchronous script, the driver answers with null (measured).
        await listener.probe('command');
        signal.throwIfAborted();
      } else if (!ANSWERED_BY_DRIVER.has(label)) listener.onAlive();
      return;
    }
    const { verdict, message } = verdictOfAnswer(answer.body);
    if (verdict.kind === 'dead') await listener.onDeath({ cause: verdict.cause, detectedBy: 'command', message });
    else if (verdict.kind === 'suspicious') await listener.probe('command', { isAnswered: true });
    else listener.onAlive();
    if (signal.aborted) throw toError(signal.reason);
    if (verdict.kind === 'dead' && this.isEnded) throw new SessionEndedError();
  }

  /**
   * Handles a command without an answer. It may have been carried out, so it is never sent again. A probe finds out whether the session is
   * alive.
   */
  async #explainBrokenExchange(error: Error, isQuit: boolean): Promise<Error> {
    const { signal, listener } = this.#options;
    if (this.isEnded && !isQuit && !signal.aborted) return new SessionEndedError();
    if (!signal.aborted && !isQuit && !(error instanceof CommandTimeoutError)) await listener.probe('command');
    return signal.aborted ? toError(signal.reason) : error;
  }

  /** Settles as the exchange does, or resolves with undefined at the deadline. */
  #answerWithin(deadlineMs: number, exchange: Promise<HttpAnswer>): Promise<HttpAnswer | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer | undefined>();
    const cancel = this.#deadlines.set(deadlineMs, () => resolve(undefined));
    exchange.then(
      (answer) => {
        cancel();
        resolve(answer);
      },
      (thrown: unknown) => {
        cancel();
        reject(toError(thrown));
      },
    );
    return promise;
  }

  async #withinDeadline(
    exchange: Promise<HttpAnswer>,
    { label, ahead }: { label: string; ahead: Promise<unknown> | undefined },
  ): Promise<HttpAnswer> {
    const { signal, listener } = this.#options;
    // A session runs one command at a time, so a command's time begins when the earlier commands, which have deadlines too, have ended.
    if (ahead !== undefined) await Promise.race([ahead, exchange.catch(() => undefined)]);
    const deadlineMs = this.settings.deadlineFor(label);
    const first = await this.#answerWithin(deadlineMs, exchange);
    if (first !== undefined) return first;
    listener.freePage(this.settings.windowHandle);
    if (await settlesWithin(exchange, GRACE_AFTER_DEADLINE_MS)) {
      const answer = await exchange;
      // The result of the command does not matter any more, unless it reveals the session's end.
      if (answer.status !== 200 && verdictOfAnswer(answer.body).verdict.kind === 'dead') return answer;
    } else if (!signal.aborted && (this.#isStuck || !(await listener.probe('deadline'))) && !signal.aborted) {
      const message = `${label} was not answered within ${deadlineMs / 1000} s, nor ${GRACE_AFTER_DEADLINE_MS / 1000} s after its page was stopped`;
      await listener.onDeath({ cause: 'frozen', detectedBy: 'deadline', message });
    } else {
      // Possibly only the answer was lost, so the commands behind it need not wait for it.
      this.#isStuck = true;
      this.#options.http.dropConnection();
    }
    if (signal.aborted) throw toError(signal.reason);
    throw new CommandTimeoutError(label, { deadlineMs, url: this.settings.url });
  }
}

/** Returns the answer of a successful quit. */
function quitAnswer(): WireResponse {
  return new Response(200, {}, '{"value":null}');
}

function isEmptyList(body: string): boolean {
  return /^\s*\{\s*"value"\s*:\s*\[\s*\]\s*\}\s*$/.test(body);
}

function isNull(body: string): boolean {
  return /^\s*\{\s*"value"\s*:\s*null\s*\}\s*$/.test(body);
}
