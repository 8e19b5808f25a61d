/**
 * The browser's cookies, HttpOnly included. Through DevTools or BiDi, access does not queue behind commands and covers the cookies of all
 * sites. Without both, WebDriver's commands cover only the cookies of the current page's site.
 */
import type { WebDriver } from 'selenium-webdriver';

import type { DevTools } from './devtools.ts';
import type { StateCookie } from './state/browser-state.ts';

export interface BrowserCookie {
  readonly name: string;
  readonly value: string;
  /** Begins with a dot if subdomains are included, as in Chromium. */
  readonly domain: string;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite?: 'Strict' | 'Lax' | 'None';
  /** Seconds since 1970; absent in a session cookie. */
  readonly expires?: number;
}

export interface BrowserCookies {
  readonly all: () => Promise<BrowserCookie[]>;
  readonly set: (cookie: BrowserCookie) => Promise<void>;
  /** Removes a cookie that a server has expired. */
  readonly remove: (cookie: BrowserCookie) => Promise<void>;
}

/** Cookies over BiDi; see `BidiChannel`. */
interface CookieChannel {
  cookies(): Promise<readonly StateCookie[]>;
  setCookie(cookie: StateCookie): Promise<void>;
  removeCookie(cookie: StateCookie): Promise<void>;
}

export function cookiesOf(
  driver: WebDriver,
  beside: { readonly devtools: DevTools | undefined; readonly bidi: CookieChannel | undefined },
): BrowserCookies {
  if (beside.devtools !== undefined) return devtoolsCookies(beside.devtools);
  return beside.bidi === undefined ? commandCookies(driver) : bidiCookies(beside.bidi);
}

function bidiCookies(bidi: CookieChannel): BrowserCookies {
  return {
    all: async () => {
      const cookies = await bidi.cookies();
      return cookies.map(({ expires, partitionKey: _partitionKey, ...cookie }) => ({
        ...cookie,
        ...(expires === -1 ? {} : { expires }),
      }));
    },
    set: (cookie) => bidi.setCookie({ ...cookie, expires: cookie.expires ?? -1 }),
    remove: (cookie) => bidi.removeCookie({ ...cookie, expires: -1 }),
  };
}

function devtoolsCookies(devtools: DevTools): BrowserCookies {
  const set = async (cookie: BrowserCookie) => {
    await devtools.call('Storage.setCookies', { cookies: [toChromium(cookie)] });
  };
  return {
    all: async () => {
      const { cookies } = (await devtools.call('Storage.getCookies')) as {
        cookies: (BrowserCookie & { session: boolean })[];
      };
      return cookies.map(({ name, value, domain, path, secure, httpOnly, sameSite, session, expires }) => ({
        name,
        value,
        domain,
        path,
        secure,
        httpOnly,
        ...(sameSite === undefined ? {} : { sameSite }),
        ...(session || expires === undefined ? {} : { expires }),
      }));
    },
    set,
    // Storage has no call that deletes one cookie. Setting the cookie with an expiry time in the past deletes it (measured).
    remove: (cookie) => set({ ...cookie, value: '', expires: 1 }),
  };
}

/**
 * Returns a cookie as Chromium's protocol expects it. A cookie for a single host is set by URL; with `domain` it would be sent to
 * subdomains too.
 */
export function toChromium({ domain, ...cookie }: BrowserCookie): object {
  const host = domain.replace(/^\./, '');
  const url = `${cookie.secure ? 'https' : 'http'}://${host}${cookie.path}`;
  return domain.startsWith('.') ? { ...cookie, domain, url } : { ...cookie, url };
}

function commandCookies(driver: WebDriver): BrowserCookies {
  return {
    all: async () => {
      const cookies = await driver.manage().getCookies();
      return cookies.map(
        ({ name, value, domain = '', path = '/', secure = false, httpOnly = false, sameSite, expiry }) => ({
          name,
          value,
          domain,
          path,
          secure,
          httpOnly,
          ...(sameSite === undefined ? {} : { sameSite: sameSite as 'Strict' | 'Lax' | 'None' }),
          ...(expiry === undefined ? {} : { expires: Number(expiry) }),
        }),
      );
    },
    set: async ({ expires, ...cookie }) => {
      await driver.manage().addCookie({ ...cookie, ...(expires === undefined ? {} : { expiry: Math.round(expires) }) });
    },
    remove: async ({ name }) => {
      await driver.manage().deleteCookie(name);
    },
  };
}
