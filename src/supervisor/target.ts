/** Chooses the endpoint, or the browser and driver, that start a session. */
import type { Agent } from 'node:http';

import { browserEnvironment } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import {
  browserNameOf,
  driverFamilyOf,
  locateBrowser,
  SessionStartError,
  type BrowserOptions,
  type Route,
  type SessionTarget,
} from '../driver/driver.ts';

export interface TargetOptions {
  /**
   * A WebDriver endpoint at which the session is started (a Grid, a running driver). Default: the supervisor starts a driver of its own.
   */
  readonly gridUrl?: string | undefined;
  /** A proxy for the connection to `gridUrl`, such as `http://user:password@proxy.test:3128`. */
  readonly gridProxy?: string | undefined;
  /**
   * A Node.js `http.Agent` or `https.Agent` for requests to `gridUrl`, such as one with certificates. It replaces the default agent and
   * `gridProxy`. Each session uses two connections.
   */
  readonly gridAgent?: Agent | undefined;
  /** The path of the browser. Default: the browser in PATH or the usual folders. */
  readonly browserPath?: string | undefined;
  /** The path of the browser's driver, such as chromedriver. Default: the driver in PATH or the usual folders. */
  readonly driverPath?: string | undefined;
}

/** The browser that is started on this machine. */
type NamedBrowser = Pick<BrowserOptions, 'browserName' | 'capabilities'>;

/** Returns the endpoint of the options; otherwise the browser and the driver on this machine. Throws like {@link assertLocalBrowser}. */
export async function resolveTarget(options: TargetOptions & NamedBrowser): Promise<SessionTarget> {
  const { gridUrl } = options;
  if (gridUrl !== undefined) return { kind: 'endpoint', url: gridUrl, route: routeOf(options) };
  const family = driverFamilyOf(browserNameOf(options));
  return { kind: 'own', family, ...(await assertLocalBrowser(options)) };
}

/** Returns the route to an endpoint. */
export function routeOf({ gridProxy, gridAgent }: TargetOptions): Route {
  return { proxy: gridProxy, agent: gridAgent };
}

/**
 * Returns the paths of the browser and the driver on this machine. Throws, before anything starts, an error that names the missing program
 * and the solution.
 */
export async function assertLocalBrowser({
  browserPath,
  driverPath,
  ...browser
}: TargetOptions & NamedBrowser): Promise<{ browserPath: string; driverPath: string }> {
  const env = browserEnvironment({});
  const family = driverFamilyOf(browserNameOf(browser));
  const located = await locateBrowser({ family, browserPath, driverPath, env });
  if (located.found) return { browserPath: located.browserPath, driverPath: located.driverPath };
  if ('invalid' in located) {
    const { setting, path, reason } = located.invalid;
    throw new ConfigError(
      `${setting} is ${path}, which ${reason}. Correct it, or remove it to use a program that is found automatically.`,
    );
  }
  const { driver, settings } = family;
  const words = family.name === 'chrome' ? 'browser' : family.browser;
  const what = { browser: `No ${words}`, driver: `No ${driver}`, both: `Neither a ${words} nor a ${driver}` }[
    located.missing
  ];
  throw new SessionStartError(
    `${what} was found. Run \`npm run doctor\` for the command that installs it, or set ${settings.browser} and ${settings.driver}, or GRID_URL.`,
    { data: { lookedIn: located.lookedIn } },
  );
}
