/**
 * Ends a session at another program's endpoint. A Grid keeps the slot of a session whose driver or node does not work: its DELETE fails, and
 * it still lists the session (measured on 4.47). The node itself ends such a session on request, except for the browser of a driver that is
 * gone, which is closed over DevTools.
 */
import { NOT_NEEDED } from '../core/abort.ts';
import { SupervisorError, toError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import { closeRemoteBrowser } from './close-remote-browser.ts';
import { HttpClient } from './http-client.ts';
import { guardRemoteSession, type RemoteSession } from './remote-watchdog.ts';
import { firstLine, parseFailure } from './verdicts.ts';

/** A Grid and a driver end a healthy session within 0.2 s. */
const DELETE_LIMIT_MS = 3_000;
const STATUS_LIMIT_MS = 3_000;
/** A node waits for a driver that does not end before it kills it. */
const NODE_LIMIT_MS = 10_000;
/** Nodes register again within 60 s after their hub was restarted (their heartbeat period; measured on 4.47). */
const NODE_RETURN_MS = 75_000;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

/** An endpoint still has a session that should have ended. The session occupies a slot until its idle limit. */
export class RemoteSessionLeftError extends SupervisorError {
  readonly code = 'remote-session-left';
  readonly consequence = 'retry';

  constructor({ url, sessionId }: RemoteSession, reason: string, cause?: unknown) {
    const endpoint = redactUrl(url);
    super(`The session ${sessionId} could not be ended at ${endpoint}: ${reason}`, {
      cause,
      data: { endpoint, sessionId },
    });
  }
}

/** The end of one session at an endpoint, which is attempted until the endpoint no longer has the session. */
export class RemoteSessionEnd {
  readonly #session: RemoteSession;
  readonly #endGuard: () => Promise<void>;
  readonly #stopped = new AbortController();
  /**
   * True if the driver of the session is gone. Its node answers each DELETE with an error, and each request keeps the session from its idle
   * limit, so no further one is sent.
   */
  #isDriverGone = false;
  /** The time until which a Grid that was away may not list the session yet, because its nodes register again; 0 if it was not away. */
  #mayReturnUntil = 0;
  #attempt: Promise<void> | undefined;
  #isEnded = false;

  /** With `isGuarded`, the session is ended, too, if this program is killed. */
  constructor(session: RemoteSession, { isGuarded = false } = {}) {
    this.#session = session;
    this.#endGuard = isGuarded ? guardRemoteSession(session) : async () => undefined;
  }

  get sessionId(): string {
    return this.#session.sessionId;
  }

  /** True if the endpoint has confirmed the end. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Notes that the endpoint has confirmed the end. Idempotent. */
  async confirm(): Promise<void> {
    this.#isEnded = true;
    await this.giveUp();
  }

  /**
   * Asks the endpoint once to end the session. Resolves when the endpoint no longer has the session, otherwise rejects with {@link
   * RemoteSessionLeftError}. Concurrent calls share one attempt.
   */
  attempt(): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    this.#attempt ??= this.#try().finally(() => (this.#attempt = undefined));
    return this.#attempt;
  }

  /** Repeats the attempt with a growing pause, until the session has ended or {@link giveUp} is called. Never rejects. */
  async repeat(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#stopped.signal.aborted; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      await pause(pauseMs, this.#stopped.signal);
      if (!this.#stopped.signal.aborted) await this.attempt().catch(() => undefined);
    }
  }

  /** Leaves the session to its idle limit and to later programs. Idempotent. */
  async giveUp(): Promise<void> {
    this.#stopped.abort(NOT_NEEDED);
    await this.#endGuard();
  }

  async #try(): Promise<void> {
    const { url, route } = this.#session;
    const http = new HttpClient(url, route);
    try {
      const reason = this.#isDriverGone ? 'its driver is gone' : await this.#delete(http);
      if (reason !== undefined) await this.#endAtNode(http, reason);
    } finally {
      http.close();
    }
    await this.confirm();
  }

  /** Returns the reason for which the session may still exist; undefined if it has ended. */
  async #delete(http: HttpClient): Promise<string | undefined> {
    const path = `/session/${encodeURIComponent(this.#session.sessionId)}`;
    try {
      const answer = await http.send({ method: 'DELETE', path, signal: AbortSignal.timeout(DELETE_LIMIT_MS) });
      if (answer.status === 200) return undefined;
      const { error, message } = parseFailure(answer.body);
      this.#isDriverGone = /^(Connection error|Unable to execute request.*Connection error) \(/.test(message);
      // A Grid that was restarted does not know the sessions of its nodes.
      if (error === 'invalid session id') return 'it is unknown there';
      return firstLine(message) || `the answer has the status ${answer.status}`;
    } catch (thrown) {
      if (toError(thrown).name !== 'TimeoutError') this.#mayReturnUntil = performance.now() + NODE_RETURN_MS;
      return describe(thrown);
    }
  }

  async #endAtNode(http: HttpClient, reason: string): Promise<void> {
    const node = await this.#findNode(http, reason);
    if (node === undefined) return;
    await closeRemoteBrowser(this.#session, http);
    const client = new HttpClient(node, this.#session.route);
    try {
      const answer = await client.send({
        method: 'DELETE',
        path: `/se/grid/node/session/${encodeURIComponent(this.#session.sessionId)}`,
        // The Grid's registration secret, which is empty by default.
        headers: { 'X-REGISTRATION-SECRET': '' },
        signal: AbortSignal.timeout(NODE_LIMIT_MS),
      });
      if (answer.status === 200 || answer.status === 404) return;
      throw this.#left(`${reason}; its node ${node} answers with the status ${answer.status}`);
    } catch (thrown) {
      if (thrown instanceof RemoteSessionLeftError) throw thrown;
      throw this.#left(`${reason}; its node ${node}: ${describe(thrown)}`, thrown);
    } finally {
      client.close();
    }
  }

  /** Returns the URL of the Grid's node that has the session; undefined if the session has ended. */
  async #findNode(http: HttpClient, reason: string): Promise<string | undefined> {
    const { sessionId } = this.#session;
    let nodes: readonly GridNode[] | undefined;
    try {
      const { body } = await http.send({
        method: 'GET',
        path: '/status',
        signal: AbortSignal.timeout(STATUS_LIMIT_MS),
      });
      nodes = (JSON.parse(body) as { value?: { nodes?: readonly GridNode[] } | null }).value?.nodes;
    } catch (thrown) {
      throw this.#left(reason, thrown);
    }
    if (nodes === undefined) {
      if (reason === 'it is unknown there') return undefined;
      throw this.#left(reason);
    }
    const node = nodes.find(({ slots }) => slots?.some(({ session }) => session?.sessionId === sessionId));
    if (node === undefined && performance.now() < this.#mayReturnUntil)
      throw this.#left('the Grid was away, and the node of the session may register again');
    return node?.externalUri ?? node?.uri;
  }

  #left(reason: string, cause?: unknown): RemoteSessionLeftError {
    return new RemoteSessionLeftError(this.#session, reason, cause);
  }
}

/** A node in the Grid's answer to `GET /status`. */
interface GridNode {
  readonly uri?: string;
  readonly externalUri?: string;
  readonly slots?: readonly { readonly session?: { readonly sessionId?: string } | null }[];
}

/** Asks an endpoint once to end a session that has no program any more. Rejects with {@link RemoteSessionLeftError} if it still has it. */
export function endRemoteSession(session: RemoteSession): Promise<void> {
  return new RemoteSessionEnd(session).attempt();
}

function describe(thrown: unknown): string {
  const { name, message, code } = toError(thrown) as NodeJS.ErrnoException;
  return name === 'TimeoutError' ? 'there was no answer in time' : message || code || name;
}

/** Resolves after a pause that does not keep the program alive, or when `signal` aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms).unref();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
