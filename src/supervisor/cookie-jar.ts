/**
 * The browser's cookie store as a jar for `fetch`: read before each request, HttpOnly cookies included, and Set-Cookie written back, so
 * that API calls and pages share one login. Matching and parsing are tough-cookie's.
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

  /** The value of the `cookie` header for a request to `url`. */
  async getCookieString(url: string): Promise<string> {
    const jar = new CookieJar(undefined, { looseMode: true, rejectPublicSuffixes: false });
    for (const cookie of await this.#read()) {
      if (isForHost(cookie, new URL(url).hostname))
        await jar.setCookie(toJarCookie(cookie), urlOf(cookie), { ignoreError: true });
    }
    return toWire(await jar.getCookieString(url));
  }

  /** One Set-Cookie header of an answer from `url`. What no browser would accept is passed over, as a browser does. */
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
      // The answer is there all the same; to lose it for a cookie would have the caller send its request again.
      this.#log.debug('The browser did not take a cookie of an answer', {
        host: hostname,
        reason: toError(thrown).message,
      });
    }
  }

  /**
   * Requests of the same moment share one reading, but never one that began before the request did: it could miss a cookie that a
   * command has just set.
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

/** Browsers send UTF-8; Node's fetch sends each character of a header as one byte (measured). */
function toWire(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The reverse; bytes that are not UTF-8 stay as they are. */
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

/** RFC 6265, section 5.1.4. */
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

/** Browsers treat loopback as trustworthy (W3C Secure Contexts, section 3.1). */
function isLocal(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
