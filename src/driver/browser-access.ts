/** Access to a session's browser beside its commands: its cookies, its page, and the facts that decide how its own requests look. */
import type { WebDriver } from 'selenium-webdriver';

import { browserEnvironment } from '../config/config.ts';
import { languagesOf, switchesOf, userAgentOf } from './browser-facts.ts';
import type { BrowserOptions } from './browser-options.ts';
import { cookiesOf, type BrowserCookie, type BrowserCookies } from './cookies.ts';
import type { DevTools } from './devtools.ts';
import { DownloadAccess } from './download-access.ts';
import type { HttpClient } from './http-client.ts';
import type { StateChannel } from './state/state-channel.ts';
import { callInPage, throwWithoutDevTools, type PageFunction } from './page-function.ts';

/** The parts of a session. Parts that change are functions, called each time. */
export interface AccessParts {
  readonly http: HttpClient;
  readonly session: {
    readonly id: string;
    readonly driver: WebDriver;
    readonly capabilities: Readonly<Record<string, unknown>>;
  };
  /** Undefined if the browser offers no DevTools, and while a broken connection is being restored. */
  readonly devtools: () => DevTools | undefined;
  /** The session's BiDi socket; undefined if there is none. */
  readonly bidi: () => StateChannel | undefined;
  /** Returns whether the browser has offered DevTools. */
  readonly hadDevTools: () => boolean;
  readonly windowHandle: () => string | null;
  readonly options: BrowserOptions;
  /** True if this program's own driver started the browser. */
  readonly isOwn: boolean;
  /** Called before the browser is changed. */
  readonly onChange: () => void;
}

export class BrowserAccess {
  readonly #parts: AccessParts;
  readonly downloads: DownloadAccess;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.downloads = new DownloadAccess(parts);
  }

  get cookies(): BrowserCookies {
    const { session, devtools, bidi, onChange } = this.#parts;
    const cookies = cookiesOf(session.driver, { devtools: devtools(), bidi: bidi() });
    const announced = (change: (cookie: BrowserCookie) => Promise<void>) => (cookie: BrowserCookie) => {
      onChange();
      return change(cookie);
    };
    return { all: cookies.all, set: announced(cookies.set), remove: announced(cookies.remove) };
  }

  /** Returns the name that the browser sends to servers (the `User-Agent` header). */
  userAgent(): Promise<string> {
    const { session, devtools } = this.#parts;
    return userAgentOf(session.driver, { devtools: devtools(), capabilities: session.capabilities });
  }

  /** Returns the user's languages, the preferred one first; an empty list if the page does not report them. */
  languages(): Promise<readonly string[]> {
    const { session, devtools, bidi, windowHandle } = this.#parts;
    return languagesOf(session.driver, { devtools: devtools(), bidi: bidi(), handle: windowHandle() });
  }

  /** Returns the browser's command-line switches. */
  switches(): Promise<readonly string[]> {
    const { devtools, options, session } = this.#parts;
    return switchesOf(devtools(), { browser: options, capabilities: session.capabilities });
  }

  /** The environment variables of the browser at its start; undefined if another program started it. */
  get environment(): Readonly<Record<string, string | undefined>> | undefined {
    const { isOwn, options } = this.#parts;
    return isOwn ? browserEnvironment({ ...options.environment }) : undefined;
  }

  /**
   * Returns the current page's URL, not redacted; null before the first page. Through DevTools or BiDi the question does not queue behind
   * commands.
   */
  async pageUrl(): Promise<string | null> {
    const url = await this.#askForUrl();
    return /^https?:/.test(url) ? url : null;
  }

  #askForUrl(): Promise<string> {
    const { session, devtools, bidi, windowHandle } = this.#parts;
    const handle = windowHandle();
    if (handle === null) return session.driver.getCurrentUrl();
    return devtools()?.pageUrl(handle) ?? bidi()?.url(handle) ?? session.driver.getCurrentUrl();
  }

  /** Runs a function in the main frame of the current page, beside the commands. See {@link callInPage}. */
  async callInPage(work: PageFunction): Promise<unknown> {
    const devtools = this.#parts.devtools();
    if (devtools === undefined) throwWithoutDevTools(this.#parts.hadDevTools());
    return callInPage(devtools, this.#parts.windowHandle() ?? devtools.onlyPage ?? '', work);
  }
}
