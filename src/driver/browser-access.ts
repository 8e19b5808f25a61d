/** Access to a session's browser beside its commands: its cookies, its page, and the facts that decide how its own requests look. */
import type { WebDriver } from 'selenium-webdriver';

import { browserEnvironment } from '../config/config.ts';
import { languagesOf, switchesOf, userAgentOf } from './browser-facts.ts';
import type { BrowserOptions } from './browser-options.ts';
import { cookiesOf, type BrowserCookie, type BrowserCookies } from './cookies.ts';
import type { DevTools } from './devtools.ts';
import { callInPage, throwWithoutDevTools, type PageFunction } from './page-function.ts';

/** The parts of a session. Parts that change are functions, called each time. */
export interface AccessParts {
  readonly driver: () => WebDriver;
  /** Undefined if the browser offers no DevTools, and while a broken connection is being restored. */
  readonly devtools: () => DevTools | undefined;
  /** Returns whether the browser has offered DevTools. */
  readonly hadDevTools: () => boolean;
  readonly windowHandle: () => string | null;
  readonly capabilities: () => Readonly<Record<string, unknown>>;
  readonly options: BrowserOptions;
  /** True if this program's own driver started the browser. */
  readonly isOwn: boolean;
  /** Called before the browser is changed. */
  readonly onChange: () => void;
}

export class BrowserAccess {
  readonly #parts: AccessParts;

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  get cookies(): BrowserCookies {
    const { driver, devtools, onChange } = this.#parts;
    const cookies = cookiesOf(driver(), devtools());
    const announced = (change: (cookie: BrowserCookie) => Promise<void>) => (cookie: BrowserCookie) => {
      onChange();
      return change(cookie);
    };
    return { all: cookies.all, set: announced(cookies.set), remove: announced(cookies.remove) };
  }

  /** Returns the name that the browser sends to servers (the `User-Agent` header). */
  userAgent(): Promise<string> {
    return userAgentOf(this.#parts.driver(), this.#parts.devtools());
  }

  /** Returns the user's languages, the preferred one first; an empty list if the page does not report them. */
  languages(): Promise<readonly string[]> {
    const { driver, devtools, windowHandle } = this.#parts;
    return languagesOf(driver(), { devtools: devtools(), handle: windowHandle() });
  }

  /** Returns the browser's command-line switches. */
  switches(): Promise<readonly string[]> {
    const { devtools, options, capabilities } = this.#parts;
    return switchesOf(devtools(), { browser: options, capabilities: capabilities() });
  }

  /** The environment variables of the browser at its start; undefined if another program started it. */
  get environment(): Readonly<Record<string, string | undefined>> | undefined {
    const { isOwn, options } = this.#parts;
    return isOwn ? browserEnvironment({ ...options.environment }) : undefined;
  }

  /**
   * Returns the current page's URL, not redacted; null before the first page. Through DevTools the question does not queue behind commands.
   */
  async pageUrl(): Promise<string | null> {
    const devtools = this.#parts.devtools();
    const handle = this.#parts.windowHandle();
    const isAskedByCommand = devtools === undefined || handle === null;
    const url = isAskedByCommand ? await this.#parts.driver().getCurrentUrl() : await devtools.pageUrl(handle);
    return /^https?:/.test(url) ? url : null;
  }

  /** Runs a function in the main frame of the current page, beside the commands. See {@link callInPage}. */
  async callInPage(work: PageFunction): Promise<unknown> {
    const devtools = this.#parts.devtools();
    if (devtools === undefined) throwWithoutDevTools(this.#parts.hadDevTools());
    return callInPage(devtools, this.#parts.windowHandle() ?? devtools.onlyPage ?? '', work);
  }
}
