/** A request that a test server received. */
export interface RecordedRequest {
  readonly method: string;
  /** The path as sent, with its query, without the path of the proxy's target. */
  readonly path: string;
  /** The WebDriver session of the request; undefined for `POST /session`, `/status` and requests other than WebDriver. */
  readonly sessionId: string | undefined;
  /** The time of arrival in milliseconds on `performance.now()` of the recording process. */
  readonly at: number;
}

/**
 * Selects requests. A string is `[METHOD ]/path` without query. Its path may be the whole one (`POST /session`), relative to its session
 * (`GET /title`), or with a placeholder (`DELETE /session/:id`). A regular expression is matched against `METHOD /whole/path?query`.
 */
export type RequestMatcher = string | RegExp | ((request: RecordedRequest) => boolean);

/** Options of the promises that wait for a request. */
export interface WaitForRequestOptions {
  /** The required number of matching requests since the server opened. Default 1. */
  readonly count?: number;
  readonly signal?: AbortSignal;
}

interface Waiter<Request> {
  readonly matches: (request: Request) => boolean;
  missing: number;
  readonly resolve: (request: Request) => void;
  readonly reject: (reason: unknown) => void;
}

/** The requests that a test server received, in order, and the callers that wait for further ones. */
export class RequestLog<Request extends RecordedRequest = RecordedRequest> {
  readonly requests: Request[] = [];
  readonly #waiters = new Set<Waiter<Request>>();

  record(request: Request): void {
    this.requests.push(request);
    for (const waiter of this.#waiters) {
      if (!waiter.matches(request) || --waiter.missing > 0) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(request);
    }
  }

  forSession(sessionId: string): Request[] {
    return this.requests.filter((request) => request.sessionId === sessionId);
  }

  /** Resolves with the count-th matching request, also if it came before the call, so that there is no race with the sender. */
  waitFor(matcher: RequestMatcher, options: WaitForRequestOptions = {}): Promise<Request> {
    const waiting = this.#waitFor(matcher, options);
    // A test that failed elsewhere does not await this promise any more. Its unhandled rejection would end the whole test run.
    waiting.catch(() => undefined);
    return waiting;
  }

  async #waitFor(matcher: RequestMatcher, { count = 1, signal }: WaitForRequestOptions): Promise<Request> {
    signal?.throwIfAborted();
    const matches = toRequestPredicate(matcher);
    const seen = this.requests.filter(matches);
    const found = seen[count - 1];
    if (found !== undefined) return found;
    const { promise, resolve, reject } = Promise.withResolvers<Request>();
    const waiter: Waiter<Request> = { matches, missing: count - seen.length, resolve, reject };
    const onAbort = (): void => reject(signal?.reason);
    this.#waiters.add(waiter);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Rejects all waits, because the server has closed. */
  close(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(new Error('The test server closed before the awaited request came.'));
  }
}

/** Returns the session id in a WebDriver path, also after a prefix such as `/wd/hub`. */
export function sessionIdOf(path: string): string | undefined {
  return /\/session\/([^/?#]+)/.exec(path)?.[1];
}

/**
 * Returns the path without query and session prefix: `/title` for `/session/1/title`, `/` for the session itself. For commands of an
 * endpoint, such as `/status`, the base path is removed.
 */
export function commandPathOf(path: string): string {
  const bare = path.replace(/[?#].*$/, '');
  const inSession = /\/session\/[^/]+(\/.*)?$/.exec(bare);
  if (inSession !== null) return inSession[1] ?? '/';
  return /\/(?:status|sessions?)$/.exec(bare)?.[0] ?? bare;
}

/** Returns the predicate of a {@link RequestMatcher}. */
export function toRequestPredicate(matcher: RequestMatcher): (request: RecordedRequest) => boolean {
  if (typeof matcher === 'function') return matcher;
  if (matcher instanceof RegExp) return ({ method, path }) => `${method} ${path}`.search(matcher) >= 0;
  const [, method, wanted] = /^(?:([A-Z]+) )?(\/.*)$/.exec(matcher) ?? [];
  if (wanted === undefined)
    throw new TypeError(`"${matcher}" is not a request matcher: use "/path" or "METHOD /path".`);
  return (request) => {
    if (method !== undefined && request.method !== method) return false;
    const bare = request.path.replace(/[?#].*$/, '');
    return (
      wanted === bare || wanted === commandPathOf(bare) || wanted === bare.replace(/\/session\/[^/]+/, '/session/:id')
    );
  };
}
