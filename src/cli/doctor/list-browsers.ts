/** Lists the browsers that this program can start on this machine. Only the one of `BROWSER` is needed, so a missing one is no problem. */
import type { Config } from '../../config/config.ts';
import { driverFamilyOf, locateBrowser } from '../../driver/driver.ts';
import { localBrowserOf } from '../../supervisor/supervisor.ts';
import type { CheckResult } from './check-result.ts';

const BROWSERS = [
  ['Chrome', 'chrome'],
  ['Firefox', 'firefox'],
  ['Edge', 'MicrosoftEdge'],
] as const satisfies readonly (readonly [string, Config['browser']])[];

/** Returns one line for each browser: whether it and its driver are found, and what its sessions are watched by. */
export function listBrowsers(config: Config): Promise<CheckResult[]> {
  return Promise.all(
    BROWSERS.map(async ([name, browser]): Promise<CheckResult> => {
      const { browserName, ...programs } = localBrowserOf({ ...config, browser, browserCapabilities: {} });
      const family = driverFamilyOf(browserName);
      const location = await locateBrowser({ family, ...programs, env: process.env });
      if ('invalid' in location) {
        const { setting, path, reason } = location.invalid;
        return {
          name,
          status: 'warning',
          message: `${setting} is ${path}, which ${reason}.`,
          advice: 'Correct the setting, or unset it.',
        };
      }
      const { browserPath, driverPath } = location;
      const found = [
        browserPath === undefined ? 'not found' : `found (${browserPath})`,
        `${family.driver} ${driverPath === undefined ? 'not found' : `found (${driverPath})`}`,
      ];
      return { name, status: 'ok', message: `${found.join(', ')}; sessions are watched by ${family.watchedBy}` };
    }),
  );
}
