import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Holds, type Hold } from './holds.ts';
import { LocalServer, readBody } from './local-server.ts';
import { commandPathOf, RequestLog, sessionIdOf, toRequestPredicate } from './request-log.ts';
import type { RecordedRequest, RequestMatcher, WaitForRequestOptions } from './request-log.ts';
import { sendScriptedAnswer, type ScriptedAnswer } from './scripted-answer.ts';
import { ScriptedSession } from './scripted-session.ts';

/** A request to the scripted server, with its body. */
export interface ScriptedRequest extends RecordedRequest {
  /** The parsed JSON body; an empty object if there was none. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** An answer, or a function that returns one. If it returns undefined, older rules and then the default answers apply. */
export type ScriptedReply = ScriptedAnswer | ((request: ScriptedRequest) => ScriptedAnswer | undefined);

/** The initial behaviour of a scripted WebDriver server. */
export interface WebDriverScript {
  /** The port on 127.0.0.1. Default 0: a free port. */
  readonly port?: number;
  /** Capabilities that are added to the defaults of a new session, or a function of the body of `POST /session`. */
  readonly capabilities?:
    Readonly<Record<string, unknown>> | ((requested: unknown) => Readonly<Record<string, unknown>>);
  /** Replies by matcher, as in {@link ScriptedWebDriver.answer}. */
  readonly answers?: Readonly<Record<string, ScriptedReply>>;
}

interface Rule {
  readonly matches: (request: RecordedRequest) => boolean;
  readonly reply: ScriptedReply;
  remaining: number;
}

/** Starts a WebDriver server without a browser. A test defines its behaviour. It uses real HTTP. */
export function openScriptedWebDriver(script: WebDriverScript = {}): Promise<ScriptedWebDriver> {
  return ScriptedWebDriver.open(script);
}

/** A WebDriver server without a browser: real HTTP, scripted answers, and a record of all requests. */
export class ScriptedWebDriver implements AsyncDisposable {
  readonly #server: LocalServer;
  readonly #script: WebDriverScript;
  readonly #log = new RequestLog<ScriptedRequest>();
  readonly #holds = new Holds();
  readonly #rules: Rule[] = [];
  readonly #sessions = new Map<string, ScriptedSession>();
  readonly #endings = new Map<string, string>();

  static async open(script: WebDriverScript = {}): Promise<ScriptedWebDriver> {
    return new ScriptedWebDriver(await LocalServer.open(script.port), script);
  }

  private constructor(server: LocalServer, script: WebDriverScript) {
    this.#server = server;
    this.#script = script;
    for (const [matcher, reply] of Object.entries(script.answers ?? {})) this.answer(matcher, reply);
    server.serve((request, response) => this.#handle(request, response));
  }

  /** The URL that clients use, without a trailing slash. */
  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  /** All requests so far, in the order of their arrival. */
  get requests(): readonly ScriptedRequest[] {
    return this.#log.requests;
  }

  /** The ids of the live sessions, the oldest first. */
  get sessionIds(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  requestsFor(sessionId: string): readonly ScriptedRequest[] {
    return this.#log.forSession(sessionId);
  }

  /** Resolves with a past or future request. Rejects if the server closes. Does not poll. */
  waitForRequest(matcher: RequestMatcher, options: WaitForRequestOptions = {}): Promise<ScriptedRequest> {
    return this.#log.waitFor(matcher, options);
  }

  /**
   * Adds a rule: from now on, or for the next `times` requests, matching requests get this reply. The newest rule wins. Returns a function
   * that removes the rule.
   */
  answer(
    matcher: RequestMatcher,
    reply: ScriptedReply,
    { times = Infinity }: { readonly times?: number } = {},
  ): () => void {
    const rule: Rule = { matches: toRequestPredicate(matcher), reply, remaining: times };
    this.#rules.unshift(rule);
    return () => this.#drop(rule);
  }

  /** Holds the answers to matching commands until the hold is released; then the script answers them. */
  hold(matcher: RequestMatcher): Hold {
    return this.#holds.hold(matcher);
  }

  /**
   * Ends a session as another client or a Grid would: later commands get a 404 `invalid session id` with this message. Default: all
   * sessions.
   */
  endSession(sessionId?: string, message = 'invalid session id'): void {
    for (const id of sessionId === undefined ? this.sessionIds : [sessionId]) {
      this.#sessions.delete(id);
      this.#endings.set(id, message);
    }
  }

  /** The number of open connections of clients. */
  get openConnections(): number {
    return this.#server.openConnections;
  }

  /** Resolves when the next connection ends, regardless of the side that ends it; at once if there is none. */
  waitForDisconnect(): Promise<void> {
    return this.#server.waitForDisconnect();
  }

  /** Resets the open connections, commands in flight included. */
  dropConnections(): void {
    this.#server.dropConnections();
  }

  /** Resets every connection until {@link restore}, as if the driver were gone. */
  refuse(): void {
    this.#server.refuse();
  }

  restore(): void {
    this.#server.restore();
  }

  /** Ends all connections at once, held commands included. Idempotent. */
  async close(): Promise<void> {
    this.#log.close();
    await this.#server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const { method = 'GET', url: path = '/' } = incoming;
    const request: ScriptedRequest = {
      method,
      path,
      sessionId: sessionIdOf(path),
      at,
      body: toObject(await readBody(incoming)),
    };
    this.#log.record(request);
    await this.#holds.waitUntilReleased(request);
    await sendScriptedAnswer(response, this.#scriptedAnswer(request) ?? this.#defaultAnswer(request));
  }

  #scriptedAnswer(request: ScriptedRequest): ScriptedAnswer | undefined {
    for (const rule of [...this.#rules]) {
      if (!rule.matches(request)) continue;
      const answer = typeof rule.reply === 'function' ? rule.reply(request) : rule.reply;
      if (answer === undefined) continue;
      if (--rule.remaining <= 0) this.#drop(rule);
      return answer;
    }
    return undefined;
  }

  #defaultAnswer({ method, path, sessionId, body }: ScriptedRequest): ScriptedAnswer {
    const command = `${method} ${commandPathOf(path)}`;
    if (sessionId === undefined) {
      if (command.endsWith('/session') && method === 'POST') return { value: this.#openSession(body['capabilities']) };
      if (command.endsWith('/status')) return { value: { ready: true, message: 'scripted WebDriver is ready' } };
      return { error: 'unknown command', message: `unknown command: ${command}` };
    }
    const session = this.#sessions.get(sessionId);
    if (!session) return { error: 'invalid session id', message: this.#endings.get(sessionId) ?? 'invalid session id' };
    const answer = session.answer(command, body);
    if (command === 'DELETE /' || session.isOver) this.endSession(sessionId);
    return answer;
  }

  #openSession(requested: unknown): { sessionId: string; capabilities: Record<string, unknown> } {
    const session = new ScriptedSession(randomUUID().replaceAll('-', ''));
    const { capabilities = {} } = this.#script;
    const scripted = typeof capabilities === 'function' ? capabilities(requested) : capabilities;
    this.#sessions.set(session.id, session);
    return { sessionId: session.id, capabilities: session.describe(scripted) };
  }

  #drop(rule: Rule): void {
    const index = this.#rules.indexOf(rule);
    if (index >= 0) this.#rules.splice(index, 1);
  }
}

function toObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {}; // An empty or invalid body: the script may answer it nevertheless.
  }
}
