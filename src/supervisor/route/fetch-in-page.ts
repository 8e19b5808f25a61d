/** Makes calls from within the page: with its TLS fingerprint, its headers and cookies, its origin, and the rules of CORS. */
import { toError } from '../../core/errors.ts';
import { PageUnreachableError, type PageFunction } from '../../driver/driver.ts';
import { UnsendableError } from './fetch-failure.ts';

/** The page of a session. */
export interface FetchingPage {
  /** Returns the URL of the page; null if it is not a page of a website. */
  readonly url: () => Promise<string | null>;
  /** Runs a function in the page. See `callInPage` of the driver. */
  readonly run: (work: PageFunction) => Promise<unknown>;
}

interface PageAnswer {
  readonly failure?: string;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: Response['type'];
  readonly headers: [string, string][];
  /** The body in Base64. */
  readonly body: string;
}

/** The function that runs in the page. It encodes Base64 in pieces, because a JavaScript call has a limited number of arguments. */
const FETCH_IN_PAGE = `async function ({ url, init, body }) {
  const bytes = body === null ? undefined : Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
  try {
    const response = await fetch(url, { ...init, body: bytes, signal: this.signal });
    const data = new Uint8Array(await response.arrayBuffer());
    let text = '';
    for (let at = 0; at < data.length; at += 0x8000) text += String.fromCharCode(...data.subarray(at, at + 0x8000));
    const { status, statusText, redirected, type } = response;
    return { status, statusText, redirected, type, url: response.url, headers: [...response.headers], body: btoa(text) };
  } catch (error) {
    return { failure: String(error) };
  }
}`;

/** The options of `fetch` that are passed to the page unchanged. */
const PASSED_OPTIONS = [
  'redirect',
  'credentials',
  'mode',
  'cache',
  'referrer',
  'referrerPolicy',
  'integrity',
  'keepalive',
] as const;
/** The headers that a page drops without an error (Fetch standard, section 2.2.2). */
const FORBIDDEN_HEADER =
  /^(accept-(charset|encoding)|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|via|proxy-.*|sec-.*)$/;
const BODILESS_STATUSES = new Set([101, 103, 204, 205, 304]);

/**
 * Works like the global `fetch`, from within the page. A body is read completely before it is sent. Rejects with a TypeError whose cause
 * contains the reason.
 */
export async function fetchInPage(page: FetchingPage, url: string, init: RequestInit): Promise<Response> {
  const { signal, ...rest } = init;
  signal?.throwIfAborted();
  throwIfUnsendable(rest);
  const pageUrl = await page.url();
  if (pageUrl === null)
    refuse('no page of a website is open in the browser that could make the call. Open one first with `driver.get`');
  const argument = await toArgument(url, rest);
  let answer: PageAnswer;
  try {
    answer = (await page.run({
      source: FETCH_IN_PAGE,
      argument,
      signal: signal ?? new AbortController().signal,
    })) as PageAnswer;
  } catch (thrown) {
    if (signal?.aborted) throw toError(signal.reason);
    if (thrown instanceof PageUnreachableError) refuse(thrown.message);
    throw new TypeError('fetch failed', { cause: thrown });
  }
  signal?.throwIfAborted();
  if (answer.failure !== undefined) {
    const isForeign = new URL(url).origin !== new URL(pageUrl).origin;
    const advice = isForeign
      ? ` The likely reason is CORS: ${new URL(url).origin} must allow calls from ${new URL(pageUrl).origin}. Calls without \`via: 'page'\` are not subject to CORS.`
      : '';
    throw new TypeError('fetch failed', { cause: new Error(`the page’s fetch failed (${answer.failure}).${advice}`) });
  }
  return toResponse(answer);
}

function throwIfUnsendable({ headers, mode, redirect }: RequestInit): void {
  const forbidden = [...new Headers(headers).keys()].filter((name) => FORBIDDEN_HEADER.test(name));
  if (forbidden.length > 0) refuse(`a page can’t set these headers: ${forbidden.join(', ')}`);
  if (redirect === 'manual')
    refuse("a page can’t see redirects, so `redirect: 'manual'` does not work with `via: 'page'`");
  if (mode === 'no-cors') refuse("a page can’t read the answer of a call with `mode: 'no-cors'`");
}

async function toArgument(url: string, init: RequestInit): Promise<object> {
  const { method = 'GET', body } = init;
  const headers = new Headers(init.headers);
  const passed = Object.fromEntries(
    PASSED_OPTIONS.filter((name) => init[name] !== undefined).map((name) => [name, init[name]]),
  );
  if (body === undefined || body === null)
    return { url, body: null, init: { ...passed, method, headers: [...headers] } };
  // `Request` determines the encoding and the content type of each kind of body.
  const request = new Request(url, { method, body, headers, duplex: 'half' });
  const bytes = Buffer.from(await request.arrayBuffer());
  return { url, body: bytes.toString('base64'), init: { ...passed, method, headers: [...request.headers] } };
}

function toResponse({ body, status, statusText, headers, url, redirected, type }: PageAnswer): Response {
  const bytes = BODILESS_STATUSES.has(status) ? null : Buffer.from(body, 'base64');
  const response = new Response(bytes, { status, statusText, headers });
  const facts = { url, redirected, type };
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(response, name, { value });
  return response;
}

function refuse(reason: string): never {
  throw new TypeError('fetch failed', { cause: new UnsendableError(reason) });
}
