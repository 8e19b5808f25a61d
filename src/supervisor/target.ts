/** Where a session is to come from, out of what the caller gave and what this machine has. */
import type { Agent } from 'node:http';

import { browserEnvironment } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { locateBrowser, SessionStartError, type Route, type SessionTarget } from '../driver/driver.ts';

export interface TargetOptions {
  /** A WebDriver endpoint to start the session at (a Grid, a running driver). Default: a driver of our own. */
  readonly gridUrl?: string | undefined;
  /** A proxy on the way to `gridUrl`, such as `http://user:password@proxy.test:3128`. */
  readonly gridProxy?: string | undefined;
  /**
   * Node's own `http.Agent` or `https.Agent` for requests to `gridUrl`, such as one with certificates, in place of ours and of `gridProxy`.
   * Each session takes two connections.
   */
  readonly gridAgent?: Agent | undefined;
  /** Default: found in PATH and the usual places. */
  readonly browserPath?: string | undefined;
  /** A chromedriver. Default: found in PATH and the usual places. */
  readonly driverPath?: string | undefined;
}

export async function resolveTarget(options: TargetOptions): Promise<SessionTarget> {
  const { gridUrl, browserPath, driverPath } = options;
  if (gridUrl !== undefined) return { kind: 'endpoint', url: gridUrl, route: routeOf(options) };
  return { kind: 'own', ...(await assertLocalBrowser({ browserPath, driverPath })) };
}

/** The way to an endpoint. */
export function routeOf({ gridProxy, gridAgent }: TargetOptions): Route {
  return { proxy: gridProxy, agent: gridAgent };
}

/** The browser and driver of this machine. Throws, before anything starts, naming what is missing and the way out. */
export async function assertLocalBrowser({
  browserPath,
  driverPath,
}: TargetOptions): Promise<{ browserPath: string; driverPath: string }> {
  const { PATH } = browserEnvironment({});
  const located = await locateBrowser({ chromeBinary: browserPath, chromedriver: driverPath, env: { PATH } });
  if (located.found) return { browserPath: located.browserPath, driverPath: located.driverPath };
  if ('invalid' in located) {
    const { setting, path, reason } = located.invalid;
    throw new ConfigError(`${setting} is ${path}, which ${reason}. Correct it, or leave it out to have one found.`);
  }
  const what = { browser: 'No browser', driver: 'No chromedriver', both: 'Neither a browser nor a chromedriver' }[
    located.missing
  ];
  throw new SessionStartError(
    `${what} was found. Run \`npm run doctor\` for the command that installs it, or set CHROME_BINARY and CHROMEDRIVER, or GRID_URL.`,
    { data: { lookedIn: located.lookedIn } },
  );
}
