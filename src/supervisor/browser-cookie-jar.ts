/**
 * Presents the browser's cookie store as a cookie jar for `fetch`. Cookies, HttpOnly ones included, are read before each request, and
 * Set-Cookie headers are written back, so that API calls and pages share one login. tough-cookie matches and parses the cookies.
 */
import { isUtf8 } from 'node:buffer';

import { Cookie, CookieJar } from 'tough-cookie';

import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { BrowserCookie, BrowserCookies } from '../driver/driver.ts';

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
    const jar = new CookieJar(undefined, { looseMode: true, rejectPublicSuffixes: false });
    for (const cookie of await this.#read()) {
      if (isForHost(cookie, new URL(url).hostname))
        await jar.setCookie(toJarCookie(cookie), urlOf(cookie), { ignoreError: true });
    }
    return toWire(await jar.getCookieString(url));
  }

  /** Stores one Set-Cookie header of an answer from `url`. Ignores a cookie that browsers would reject. */
  async setCookie(header: string, url: string): Promise<void> {
    const cookie = Cookie.parse(fromWire(header), { loose: true });
    if (cookie === undefined) return;
    const { hostname, protocol } = new URL(url);
    if (cookie.secure && protocol !== 'https:' && !isLocal(hostname)) return;
    if (cookie.domain !== null && !isForHost({ domain: `.${cookie.domain}` }, hostname)) return;
    const expires = cookie.expiryTime();
    const browserCookie: BrowserCookie = {
      name: cookie.key,
      value: cookie.value,
      domain: cookie.domain === null ? hostname : `.${cookie.domain}`,
      path: cookie.path ?? defaultPath(url),
      secure: cookie.secure,
      httpOnly: cookie.httpOnly,
      ...toSameSite(cookie.sameSite),
      ...(expires === undefined || expires === Infinity ? {} : { expires: expires / 1_000 }),
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

function toJarCookie({ name, value, domain, path, secure, httpOnly, expires }: BrowserCookie): Cookie {
  return new Cookie({
    key: name,
    value,
    path,
    secure,
    httpOnly,
    ...(domain.startsWith('.') ? { domain: domain.slice(1) } : {}),
    ...(expires === undefined ? {} : { expires: new Date(expires * 1_000) }),
  });
}

function urlOf({ domain, path, secure }: BrowserCookie): string {
  return `${secure ? 'https' : 'http'}://${domain.replace(/^\./, '')}${path}`;
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
