/** Converts the settings into the supervisor's options. */
import type { Config } from '../config/config.ts';
import {
  BROWSER_OPTION_NAMES,
  browserNameOf,
  driverFamilyOf,
  mergeBrowserOptions,
  type BrowserOptions,
} from '../driver/driver.ts';
import type { SupervisorOptions } from './options.ts';

/** Merges options. Later values win; options of the browser are merged as {@link mergeBrowserOptions} does. */
export function mergeSupervisorOptions(...layers: readonly SupervisorOptions[]): SupervisorOptions {
  return { ...Object.assign({}, ...layers), ...mergeBrowserOptions(...layers.map(pickBrowserOptions)) };
}

function pickBrowserOptions(options: SupervisorOptions): BrowserOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => BROWSER_OPTION_NAMES.includes(name)));
}

/** Returns the name of the browser, and the settings for its program and its driver. */
export function localBrowserOf(config: Config): Pick<SupervisorOptions, 'browserName' | 'browserPath' | 'driverPath'> {
  const browserName = browserNameOf({ browserName: config.browser, capabilities: config.browserCapabilities });
  const [browserPath, driverPath] = {
    chrome: [config.chromeBinary, config.chromedriver],
    firefox: [config.firefoxBinary, config.geckodriver],
    edge: [config.edgeBinary, config.edgedriver],
  }[driverFamilyOf(browserName).name];
  return { browserName, browserPath, driverPath };
}

export function toSupervisorOptions(config: Config): SupervisorOptions {
  return {
    gridUrl: config.gridUrl,
    gridProxy: config.gridProxy,
    ...localBrowserOf(config),
    headless: config.headless,
    arguments: config.browserArguments,
    capabilities: config.browserCapabilities,
    environment: config.browserEnvironment,
    proxy: config.browserProxy,
    ...(config.acceptsInsecureCerts && { acceptInsecureCerts: true }),
    userDataDir: config.userDataDir,
    downloadDir: config.downloadDir,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    heartbeatTimeoutMs: config.heartbeatTimeoutMs,
    commandTimeoutMs: config.commandTimeoutMs,
    startTimeoutMs: config.gridStartTimeoutMs,
  };
}
