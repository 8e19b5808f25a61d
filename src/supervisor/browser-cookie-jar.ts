/**
 * Presents the browser's cookie store as a cookie jar for `fetch`. Cookies, HttpOnly ones included, are read before each request, and
 * Set-Cookie headers are written back, so that API calls and pages share one login. undici parses Set-Cookie.
 */
import { isUtf8 } from 'node:buffer';

import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { BrowserCookie, BrowserCookies } from '../driver/driver.ts';

/** undici takes a path that does not begin with a slash for `/`; RFC 6265 takes the folder of the request. */
const HAS_PATH = /;\s*path\s*=\s*\//i;

export class BrowserCookieJar {
  readonly #cookies: BrowserCookies;
  readonly #log: Log;
  #reading: Promise<BrowserCookie[]> | undefined;
  #next: Promise<BrowserCookie[]> | undefined;

  constructor(cookies: BrowserCookies, log: Log) {
    this.#cookies = cookies;
    this.#log = log;
  }

  /** Returns the value of the `cookie` header for a request to `url`. */
  async getCookieString(url: string): Promise<string> {
    const sent = (await this.#read()).filter((cookie) => isSentTo(cookie, new URL(url)));
    // RFC 6265, section 5.4: longer paths first. The sort keeps the browser's order among equals.
    sent.sort((one, other) => other.path.length - one.path.length);
    return toWire(sent.map(({ name, value }) => (name === '' ? value : `${name}=${value}`)).join('; '));
  }

  /** Stores one Set-Cookie header of an answer from `url`. Ignores a cookie that browsers would reject. */
  async setCookie(header: string, url: string): Promise<void> {
    // Loaded with the first answer that sets a cookie.
    const { parseCookie } = await import('undici');
    const text = fromWire(header);
    const cookie = parseCookie(text);
    if (cookie === null) return;
    const { hostname, protocol } = new URL(url);
    if (cookie.secure && protocol !== 'https:' && !isLocal(hostname)) return;
    if (cookie.domain && !isForHost({ domain: `.${cookie.domain}` }, hostname)) return;
    const expires = expiryTimeOf(cookie);
    const browserCookie: BrowserCookie = {
      name: cookie.name,
      value: cookie.value,
      domain: cookie.domain ? `.${cookie.domain}` : hostname,
      path: (HAS_PATH.test(text) ? cookie.path : undefined) ?? defaultPath(url),
      secure: cookie.secure ?? false,
      httpOnly: cookie.httpOnly ?? false,
      ...toSameSite(cookie.sameSite),
      ...(expires === undefined ? {} : { expires: expires / 1_000 }),
    };
    const isExpired = expires !== undefined && expires <= Date.now();
    try {
      await (isExpired ? this.#cookies.remove(browserCookie) : this.#cookies.set(browserCookie));
    } catch (thrown) {
      // The answer is valid. If the call failed because of a cookie, the caller would send its request again.
      this.#log.debug('The browser rejected a cookie of an answer', {
        host: hostname,
        reason: toError(thrown).message,
      });
    }
  }

  /**
   * Reads the cookies. Simultaneous requests share one reading, but only one that began after the request: an earlier reading could lack a
   * cookie that a command has just set.
   */
  #read(): Promise<BrowserCookie[]> {
    this.#next ??= (async () => {
      await this.#reading?.catch(() => undefined);
      this.#reading = this.#next;
      this.#next = undefined;
      return this.#cookies.all();
    })();
    return this.#next;
  }
}

/** Converts a text for the wire: browsers send UTF-8, but Node's fetch sends each character of a header as one byte (measured). */
function toWire(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Reverses {@link toWire}; bytes that are not UTF-8 stay as they are. */
function fromWire(header: string): string {
  const bytes = Buffer.from(header, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : header;
}

function isForHost({ domain }: { domain: string }, hostname: string): boolean {
  return domain.startsWith('.') ? `.${hostname}`.endsWith(domain) : hostname === domain;
}

/** RFC 6265, section 5.4. Browsers send secure cookies to this machine by http, too. */
function isSentTo(cookie: BrowserCookie, { hostname, pathname, protocol }: URL): boolean {
  if (cookie.secure && protocol !== 'https:' && !isLocal(hostname)) return false;
  return isForHost(cookie, hostname) && isBelow(cookie.path, pathname);
}

/** RFC 6265, section 5.1.4. */
function isBelow(path: string, pathname: string): boolean {
  return pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

/** The end of the cookie in milliseconds since 1970; undefined if it ends with the browser. `Max-Age` takes precedence over `Expires`. */
function expiryTimeOf({ maxAge, expires }: { maxAge?: number; expires?: Date | number }): number | undefined {
  if (maxAge !== undefined) return maxAge <= 0 ? 0 : Date.now() + maxAge * 1_000;
  const time = Number(expires);
  return Number.isNaN(time) ? undefined : time;
}

/** Returns the default path of a cookie (RFC 6265, section 5.1.4). */
function defaultPath(url: string): string {
  const { pathname } = new URL(url);
  const end = pathname.lastIndexOf('/');
  return end <= 0 ? '/' : pathname.slice(0, end);
}

function toSameSite(sameSite: string | undefined): { sameSite?: 'Strict' | 'Lax' | 'None' } {
  const known = ({ strict: 'Strict', lax: 'Lax', none: 'None' } as const)[
    sameSite?.toLowerCase() as 'strict' | 'lax' | 'none'
  ];
  return known === undefined ? {} : { sameSite: known };
}

/** Returns true for loopback hosts, which browsers treat as trustworthy (W3C Secure Contexts, section 3.1). */
function isLocal(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
