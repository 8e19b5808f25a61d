/**
 * Makes HTTP calls outside of the page, with the browser's cookies and user agent, under the session's halt. A call is refused if the
 * session is dead, aborted when it dies, and repeated if that is safe. Failures in a row are counted, so that an API that keeps failing
 * ends the run.
 */
import { anySignal, delay, raceSignal } from '../core/abort.ts';
import { toBasicAuth } from '../core/basic-auth.ts';
import { InvariantError, SupervisorError, toError } from '../core/errors.ts';
import { redactUrl } from '../core/redact.ts';
import { retry } from '../core/retry.ts';
import { fetchWithCookies, isReplayable, type SendRequest } from './fetch-with-cookies.ts';
import type { BrowserCookieJar } from './browser-cookie-jar.ts';
import type { Disposer } from '../core/events.ts';
import { toFetchFailure } from './route/fetch-failure.ts';
import type { HostLimits } from './host-limits.ts';

/** An API call without a useful answer. `status` is null if there was no answer at all. */
export class ApiError extends SupervisorError {
  readonly code = 'api-error';
  readonly consequence = 'fail-step';
  readonly status: number | null;
  /** The URL of the call, without credentials and secret query values. */
  readonly url: string;
  /** The time in milliseconds that the server asked to wait before the next call (`Retry-After`); null if it did not ask. */
  readonly retryAfterMs: number | null;

  constructor({ method, url, status, reason, retryAfterMs = null }: ApiErrorFacts, cause?: unknown) {
    const shown = redactUrl(url);
    super(
      `${method} ${shown} ${status === null ? `got no answer: ${reason}` : `answered ${status} ${reason}`.trimEnd()}`,
      {
        cause,
        data: { method, url: shown, status },
      },
    );
    this.status = status;
    this.url = shown;
    this.retryAfterMs = retryAfterMs;
  }
}

interface ApiErrorFacts {
  readonly method: string;
  readonly url: string;
  readonly status: number | null;
  readonly reason: string;
  readonly retryAfterMs?: number | null;
}

/** The options of the global `fetch`, and the choice of who makes the call. */
export interface ApiCallInit extends RequestInit {
  /**
   * `page`: the open page makes the call, as its own scripts do: with its TLS fingerprint, headers, cookies and origin, and within the
   * rules of CORS. The call fails if no page of a website is open, if an alert is open, if the page navigates away, or if it has headers
   * that pages can't set. Needs DevTools. Default: the call is made outside of the page.
   */
  readonly via?: 'page' | undefined;
}

/** The options of {@link Api.fetch}. */
export interface ApiInit extends ApiCallInit {
  /**
   * True for a caller that checks the status itself, such as a check of links. No answer is then repeated or counts as a failure of the
   * API. Default false.
   */
  readonly anyStatus?: boolean;
}

/** The HTTP client of an action. */
export interface Api {
  /**
   * Works like the global `fetch`, with the browser's cookies, user agent, `Accept-Language`, proxy and decision about certificates.
   * Relative URLs are resolved against the action's base URL; without one, against the page. Repeats network errors and the statuses 429,
   * 502, 503, 504 for idempotent methods (other methods only on 429 and 503 with Retry-After), then returns the last answer. Rejects with
   * {@link ApiError} if there was no answer: at once if the certificate is not trusted, or if no client would send the call (a blocked
   * port, a header of the connection). Rejects with `SessionDeathError` when the session dies, and with the browser's own error if the
   * browser does not return its cookies.
   */
  readonly fetch: (pathOrUrl: string | URL, init?: ApiInit) => Promise<Response>;
  /** Returns the parsed body. Rejects with {@link ApiError} on any status but 2xx, and on a body that is not JSON. */
  readonly json: <Value = unknown>(pathOrUrl: string | URL, init?: ApiCallInit) => Promise<Value>;
}

/** The parts of a session that an API client uses. */
export interface ApiContext {
  /** The halt of the session, or of a batch within it. */
  readonly signal: AbortSignal;
  readonly jar: BrowserCookieJar;
  /** Returns the headers that every request of the browser has. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Returns a function that sends one request by the same route as the browser's own requests. It rejects as the global `fetch` does. */
  readonly openRoute: () => Promise<SendRequest>;
  /** Makes the page send one request. Rejects as the global `fetch` does. */
  readonly requestInPage: SendRequest;
  readonly baseUrl: () => Promise<string | null>;
  /** Throws if the session accepts no more work, and counts the refusal. */
  readonly admit: () => Disposer;
  /** Called at the end of each call. Rejects if the session is dead or the API has failed too often. */
  readonly onOutcome: (status: number | null) => Promise<void>;
  readonly retries: number;
  readonly attemptTimeoutMs: number;
  /** The limits that apply to each request, redirects included. */
  readonly limits: readonly HostLimits[];
}

export const DEFAULT_API_RETRIES = 4;
export const DEFAULT_API_TIMEOUT_MS = 30_000;
/** The longest `Retry-After` that a call waits for. If a server asks for more, its answer is returned as it is. */
export const MAX_RETRY_AFTER_MS = 60_000;
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

const contexts = new WeakMap<Api, ApiContext>();

/** Returns a client like `api` that also obeys `signal` and `limits`. */
export function narrowApi(
  api: Api,
  { signal, limits }: { readonly signal?: AbortSignal; readonly limits?: HostLimits | undefined },
): Api {
  const context = contexts.get(api);
  if (context === undefined) throw new InvariantError('narrowApi() got an api that was not made by makeApi()');
  return makeApi({
    ...context,
    signal: anySignal(context.signal, signal),
    limits: limits === undefined ? context.limits : [...context.limits, limits],
    admit: () => {
      signal?.throwIfAborted();
      return context.admit();
    },
  });
}

export function makeApi(context: ApiContext): Api {
  const api: Api = {
    fetch: (pathOrUrl, init) => call(context, { pathOrUrl, init: init ?? {} }, async (response) => response),
    json: async <Value>(pathOrUrl: string | URL, init?: ApiCallInit) => {
      const { response, body } = await call(context, { pathOrUrl, init: init ?? {} }, async (answer) => ({
        response: answer,
        body: await answer.text(),
      }));
      const method = init?.method?.toUpperCase() ?? 'GET';
      const failure = { method, url: response.url, status: response.status };
      if (!response.ok)
        throw new ApiError({ ...failure, reason: response.statusText, retryAfterMs: retryAfterMsOf(response) });
      try {
        return JSON.parse(body) as Value;
      } catch (thrown) {
        throw new ApiError({ ...failure, reason: 'with a body that is not JSON' }, thrown);
      }
    },
  };
  contexts.set(api, context);
  return api;
}

interface Call {
  readonly pathOrUrl: string | URL;
  readonly init: ApiInit;
}

async function call<Result>(
  context: ApiContext,
  { pathOrUrl, init: { anyStatus = false, via, ...init } }: Call,
  read: (response: Response) => Promise<Result>,
): Promise<Result> {
  const { signal, onOutcome, admit, retries } = context;
  const leave = admit();
  try {
    const method = init.method?.toUpperCase() ?? 'GET';
    const caller = anySignal(signal, init.signal);
    const { url, credentials } = splitCredentials(await raceSignal(resolveUrl(pathOrUrl, method, context), caller));
    const given = { ...init, method, headers: { ...credentials, ...Object.fromEntries(new Headers(init.headers)) } };
    validateInit(url, given);
    const settled = await retry(() => attempt(context, { url, init: given, caller, read, anyStatus, via }), {
      retries: isReplayable(init.body) ? retries : 0,
      signal: caller,
      shouldRetry: (error) => error instanceof Unsatisfying && isWorthRepeating(error, method),
      beforeRetry: (error) => (error instanceof Unsatisfying ? error.waitToRepeat(caller) : undefined),
    }).catch((thrown: unknown) => {
      // The caller aborted the call, or the error came from the browser or the session: it is passed on unchanged.
      if (caller.aborted || !(thrown instanceof Unsatisfying)) throw toError(thrown);
      return thrown;
    });
    if (!(settled instanceof Unsatisfying)) {
      if (!anyStatus) await onOutcome(settled.status);
      return settled.result;
    }
    const { response, cause } = settled;
    const { reason, kind } = toFetchFailure(cause);
    if (kind !== 'call') await onOutcome(response?.status ?? null);
    if (response === null) throw new ApiError({ method, url, status: null, reason }, cause);
    return await read(response).catch((thrown: unknown) => {
      if (caller.aborted) throw toError(caller.reason);
      throw new ApiError({ method, url, status: response.status, reason: 'with a body that broke off' }, thrown);
    });
  } finally {
    leave();
  }
}

async function attempt<Result>(
  { jar, headers: browserHeaders, openRoute, requestInPage, attemptTimeoutMs, limits }: ApiContext,
  {
    url,
    init,
    caller,
    read,
    anyStatus,
    via,
  }: {
    url: string;
    init: RequestInit;
    caller: AbortSignal;
    read: (response: Response) => Promise<Result>;
    anyStatus: boolean;
    via: ApiCallInit['via'];
  },
): Promise<{ status: number; result: Result }> {
  // Called for each redirect too. The time limit applies to the server: it excludes the wait for the browser's cookies and for `limits`.
  const inTime = (send: SendRequest) => (to: string, hop: RequestInit) =>
    limits.reduceRight<() => Promise<Response>>(
      (next, limit) => () => limit.run(to, next, { signal: caller }),
      () =>
        send(to, {
          ...toHop(url, to, hop),
          signal: anySignal(caller, AbortSignal.timeout(attemptTimeoutMs)),
        }),
    )();
  const fetchAsBrowser = async () => {
    const headers = { ...(await browserHeaders()), ...Object.fromEntries(new Headers(init.headers)) };
    return fetchWithCookies(url, { ...init, headers }, { jar, send: inTime(await openRoute()) });
  };
  try {
    const response = await raceSignal(via === 'page' ? inTime(requestInPage)(url, init) : fetchAsBrowser(), caller);
    if (!anyStatus && isTemporary(response.status)) throw new Unsatisfying({ response });
    return { status: response.status, result: await read(response) };
  } catch (thrown) {
    if (caller.aborted) throw toError(caller.reason);
    throw isFetchFailure(thrown) ? new Unsatisfying({ response: null, cause: thrown }) : thrown;
  }
}

/** Returns the request to `to`, which may be a redirect of `from`. A password is only for its own origin (Fetch, section 4.4). */
function toHop(from: string, to: string, hop: RequestInit): RequestInit {
  if (new URL(from).origin === new URL(to).origin) return hop;
  const headers = new Headers(hop.headers);
  headers.delete('authorization');
  return { ...hop, headers };
}

/** Returns true for the errors of fetch itself. All other errors come from the browser, which was asked for its cookies. */
function isFetchFailure(thrown: unknown): boolean {
  return thrown instanceof TypeError || thrown instanceof DOMException;
}

/** Throws fetch's own TypeError for a call that it would never send, so that the call does not count as a failure of the network. */
function validateInit(url: string, { body, ...init }: RequestInit): void {
  void new Request(url, { ...init, signal: null, ...(body === null || body === undefined ? {} : { body: '' }) });
}

/** No answer, or an answer that asks the caller to repeat the call later. */
class Unsatisfying extends Error {
  readonly response: Response | null;
  readonly retryAfterMs: number | null;

  constructor({ response, cause }: { response: Response | null; cause?: unknown }) {
    super('an API call failed', { cause });
    this.response = response;
    this.retryAfterMs = response === null ? null : retryAfterMsOf(response);
  }

  /** Releases the connection and waits for as long as the server asked. */
  async waitToRepeat(signal: AbortSignal): Promise<void> {
    await this.response?.body?.cancel();
    await delay(this.retryAfterMs ?? 0, signal);
  }
}

function isTemporary(status: number): boolean {
  return status === 429 || (status >= 502 && status <= 504);
}

function isWorthRepeating({ response, retryAfterMs, cause }: Unsatisfying, method: string): boolean {
  if (response === null && toFetchFailure(cause).kind !== 'network') return false;
  if (retryAfterMs !== null && retryAfterMs > MAX_RETRY_AFTER_MS) return false;
  if (IDEMPOTENT_METHODS.has(method)) return true;
  return retryAfterMs !== null && (response?.status === 429 || response?.status === 503);
}

/** Returns the header's seconds or HTTP date (RFC 9110, section 10.2.3) as milliseconds from now; null if there is none. */
function retryAfterMsOf({ headers }: Response): number | null {
  const value = headers.get('retry-after');
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

async function resolveUrl(pathOrUrl: string | URL, method: string, { baseUrl }: ApiContext): Promise<string> {
  const text = String(pathOrUrl);
  const refusal = (reason: string) => new ApiError({ method, url: text, status: null, reason });
  const base = URL.canParse(text) ? undefined : await baseUrl();
  if (base === null || !URL.canParse(text, base)) {
    throw refusal(
      'the URL is relative, and there is neither a base URL nor an open page to resolve it against. Give the action a `baseUrl`, or open a page first.',
    );
  }
  const url = new URL(text, base);
  if (!/^https?:$/.test(url.protocol))
    throw refusal('api calls only http and https URLs. Begin the URL with `https://`.');
  return url.href;
}

/** Returns `href` without its user and password, which fetch refuses, and the header that browsers send instead. */
function splitCredentials(href: string): { url: string; credentials: { authorization?: string } } {
  const url = new URL(href);
  const authorization = toBasicAuth(url);
  if (authorization === undefined) return { url: href, credentials: {} };
  url.username = '';
  url.password = '';
  return { url: url.href, credentials: { authorization } };
}
