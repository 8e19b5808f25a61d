/** Chooses the endpoint, or the browser and driver, that start a session. */
import type { Agent } from 'node:http';

import { browserEnvironment } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { locateBrowser, SessionStartError, type Route, type SessionTarget } from '../driver/driver.ts';

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
  /** The path of chromedriver. Default: chromedriver in PATH or the usual folders. */
  readonly driverPath?: string | undefined;
}

/** Returns the endpoint of the options; otherwise the browser and the driver on this machine. Throws like {@link assertLocalBrowser}. */
export async function resolveTarget(options: TargetOptions): Promise<SessionTarget> {
  const { gridUrl, browserPath, driverPath } = options;
  if (gridUrl !== undefined) return { kind: 'endpoint', url: gridUrl, route: routeOf(options) };
  return { kind: 'own', ...(await assertLocalBrowser({ browserPath, driverPath })) };
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
}: TargetOptions): Promise<{ browserPath: string; driverPath: string }> {
  const { PATH } = browserEnvironment({});
  const located = await locateBrowser({ chromeBinary: browserPath, chromedriver: driverPath, env: { PATH } });
  if (located.found) return { browserPath: located.browserPath, driverPath: located.driverPath };
  if ('invalid' in located) {
    const { setting, path, reason } = located.invalid;
    throw new ConfigError(
      `${setting} is ${path}, which ${reason}. Correct it, or remove it to use a program that is found automatically.`,
    );
  }
  const what = { browser: 'No browser', driver: 'No chromedriver', both: 'Neither a browser nor a chromedriver' }[
    located.missing
  ];
  throw new SessionStartError(
    `${what} was found. Run \`npm run doctor\` for the command that installs it, or set CHROME_BINARY and CHROMEDRIVER, or GRID_URL.`,
    { data: { lookedIn: located.lookedIn } },
  );
}
