import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Holds, type Hold } from './holds.ts';
import { LocalServer, readBody } from './local-server.ts';
import { commandPathOf, RequestLog, sessionIdOf, toRequestPredicate } from './request-log.ts';
import type { RecordedRequest, RequestMatcher, WaitForRequestOptions } from './request-log.ts';
import { sendScriptedAnswer, type ScriptedAnswer } from './scripted-answer.ts';
import { ScriptedSession } from './scripted-session.ts';

/** A request to the scripted server, with what was sent. */
export interface ScriptedRequest extends RecordedRequest {
  /** The parsed JSON body; an empty object when there was none. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** An answer, or what computes it; undefined leaves the request to older rules and to the default answers. */
export type ScriptedReply = ScriptedAnswer | ((request: ScriptedRequest) => ScriptedAnswer | undefined);

/** How a scripted WebDriver server behaves from its start. */
export interface WebDriverScript {
  /** Port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** Added to the default capabilities of a new session, or computed from the body of `POST /session`. */
  readonly capabilities?:
    Readonly<Record<string, unknown>> | ((requested: unknown) => Readonly<Record<string, unknown>>);
  /** Matcher -> reply, as with {@link ScriptedWebDriver.answer}. */
  readonly answers?: Readonly<Record<string, ScriptedReply>>;
}

interface Rule {
  readonly isMeant: (request: RecordedRequest) => boolean;
  readonly reply: ScriptedReply;
  remaining: number;
}

/** Starts a WebDriver server that has no browser behind it and does what a test tells it, over real HTTP. */
export function openScriptedWebDriver(script: WebDriverScript = {}): Promise<ScriptedWebDriver> {
  return ScriptedWebDriver.open(script);
}

/** A WebDriver server without a browser: real HTTP, scripted answers, every request on record. */
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

  /** What a client takes as the server's address, without a slash at its end. */
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

  /** Ids of the sessions that live now, oldest first. */
  get sessionIds(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  requestsFor(sessionId: string): readonly ScriptedRequest[] {
    return this.#log.forSession(sessionId);
  }

  /** Resolves with a request that came or will come; rejects when the server closes. Nothing is polled. */
  waitForRequest(matcher: RequestMatcher, options: WaitForRequestOptions = {}): Promise<ScriptedRequest> {
    return this.#log.waitFor(matcher, options);
  }

  /** From now on, or for the next `times` requests, replies this way. The newest rule wins. Returns what takes it back. */
  answer(
    matcher: RequestMatcher,
    reply: ScriptedReply,
    { times = Infinity }: { readonly times?: number } = {},
  ): () => void {
    const rule: Rule = { isMeant: toRequestPredicate(matcher), reply, remaining: times };
    this.#rules.unshift(rule);
    return () => this.#drop(rule);
  }

  /** Keeps matching commands unanswered until the hold is released; then they are answered as the script says. */
  hold(matcher: RequestMatcher): Hold {
    return this.#holds.hold(matcher);
  }

  /**
   * Ends a session as another client or a Grid would: the next command for it is a 404 `invalid session id` with this
   * message. Takes all sessions when no id is given.
   */
  endSession(sessionId?: string, message = 'invalid session id'): void {
    for (const id of sessionId === undefined ? this.sessionIds : [sessionId]) {
      this.#sessions.delete(id);
      this.#endings.set(id, message);
    }
  }

  /** How many connections clients hold open now. */
  get openConnections(): number {
    return this.#server.openConnections;
  }

  /** Resolves when the next connection ends, whoever ends it; at once when there is none. */
  waitForDisconnect(): Promise<void> {
    return this.#server.waitForDisconnect();
  }

  /** Resets the open connections, what is in flight included. */
  dropConnections(): void {
    this.#server.dropConnections();
  }

  /** Resets every connection, as a driver that is gone, until {@link restore}. */
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
      if (!rule.isMeant(request)) continue;
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
    return {}; // An empty or broken body: the script may want to answer it all the same.
  }
}
