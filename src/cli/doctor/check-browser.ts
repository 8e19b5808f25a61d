/** Checks before a run that this machine's browser and driver can work together. */
import type { Config } from '../../config/config.ts';
import { toError } from '../../core/errors.ts';
import {
  driverFamilyOf,
  readVersions,
  SessionStartError,
  versionsFit,
  type DriverFamily,
} from '../../driver/driver.ts';
import { assertLocalBrowser, localBrowserOf } from '../../supervisor/supervisor.ts';
import { commandLine } from '../terminal/command-line.ts';

/** Throws an error with both versions and the way out if they don't fit. Checks nothing for a Grid, which has its own browsers. */
export async function assertBrowserFits(config: Config): Promise<void> {
  const { gridUrl, browserEnvironment } = config;
  if (gridUrl !== undefined) return;
  const local = localBrowserOf(config);
  const { browserPath, driverPath } = await assertLocalBrowser(local);
  const { browser, driver } = await readVersions(browserPath, driverPath, browserEnvironment).catch(
    (thrown: unknown) => {
      const { message } = toError(thrown);
      throw new SessionStartError(
        `The browser or its driver does not start: ${message}. See \`${commandLine('doctor')}\`.`,
        { cause: thrown },
      );
    },
  );
  const family = driverFamilyOf(local.browserName);
  if (versionsFit(browser, driver, family)) return;
  throw new SessionStartError(describeMisfit({ browserPath, browser, driverPath, driver }, family), {
    data: { browser, driver },
  });
}

export function describeMisfit(
  pair: Readonly<Record<'browserPath' | 'browser' | 'driverPath' | 'driver', string>>,
  family: DriverFamily,
): string {
  const { browserPath, browser, driverPath, driver } = pair;
  const major = browser.split('.')[0];
  return (
    `The browser ${browserPath} is ${browser}, but the driver ${driverPath} is ${driver}: their major versions must be the same. ` +
    `Install ${family.driver} ${major}, or set ${family.settings.browser} and ${family.settings.driver} to a pair that fits.`
  );
}
