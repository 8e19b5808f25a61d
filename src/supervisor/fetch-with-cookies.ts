/**
 * A call that follows its redirects by itself, because each of them sends and sets cookies of the browser's store: the rules of the Fetch
 * standard, section 4.4, for a client whose cookies are elsewhere.
 */
import type { BrowserCookieJar } from './browser-cookie-jar.ts';

export type SendRequest = (url: string, init: RequestInit) => Promise<Response>;

const MAX_REDIRECTS = 20;
const REDIRECT_STATUS = new Set([301, 302, 303, 307, 308]);
/** The caller's own secrets, which another host must not get. */
const HEADERS_OF_HOST = ['authorization', 'cookie'];
const HEADERS_OF_BODY = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];

/** Sends the call with the cookies of `jar`, and stores those of its answers. Rejects as the global `fetch` does. */
export async function fetchWithCookies(
  url: string,
  init: RequestInit,
  { jar, send }: { readonly jar: BrowserCookieJar; readonly send: SendRequest },
): Promise<Response> {
  let [to, given] = [url, init];
  for (let redirects = 0; ; redirects += 1) {
    const response = await send(to, { ...given, headers: await withCookies(given, to, jar), redirect: 'manual' });
    await Promise.all(response.headers.getSetCookie().map((header) => jar.setCookie(header, to)));
    if (redirects > 0) Object.defineProperty(response, 'redirected', { value: true });
    const location = response.headers.get('location');
    if (!REDIRECT_STATUS.has(response.status) || init.redirect === 'manual' || location === null) return response;
    if (init.redirect === 'error') throw failed(`the answer of ${to} is a redirect, and \`redirect\` is "error"`);
    if (redirects >= MAX_REDIRECTS) throw failed(`there were more than ${MAX_REDIRECTS} redirects`);
    const next = new URL(location, to).href;
    given = toRedirected(given, { status: response.status, isOtherHost: new URL(next).host !== new URL(to).host });
    to = next;
    await response.body?.cancel();
  }
}

/** Streams and generators can be read only once. */
export function isReplayable(body: RequestInit['body']): boolean {
  return typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body);
}

async function withCookies({ headers: given }: RequestInit, url: string, jar: BrowserCookieJar): Promise<Headers> {
  const headers = new Headers(given);
  const cookies = await jar.getCookieString(url);
  if (cookies !== '') headers.set('cookie', cookies);
  return headers;
}

interface Redirect {
  readonly status: number;
  readonly isOtherHost: boolean;
}

function toRedirected({ method = 'GET', body, ...init }: RequestInit, { status, isOtherHost }: Redirect): RequestInit {
  const headers = new Headers(init.headers);
  if (isOtherHost) for (const name of HEADERS_OF_HOST) headers.delete(name);
  const isPostMoved = (status === 301 || status === 302) && method === 'POST';
  if (isPostMoved || (status === 303 && method !== 'HEAD')) {
    for (const name of HEADERS_OF_BODY) headers.delete(name);
    return { ...init, method: 'GET', headers };
  }
  if (body instanceof ReadableStream)
    throw failed('a body that can be read only once can\u2019t be sent to a redirect');
  return { ...init, method, headers, ...(body === undefined ? {} : { body }) };
}

function failed(reason: string): TypeError {
  return new TypeError('fetch failed', { cause: new Error(reason) });
}
