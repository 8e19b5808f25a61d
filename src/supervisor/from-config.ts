/** The settings, in the supervisor's words. */
import type { Config } from '../config/config.ts';
import type { SupervisorOptions } from './options.ts';

export function toSupervisorOptions(config: Config): SupervisorOptions {
  return {
    gridUrl: config.gridUrl,
    browserPath: config.chromeBinary,
    driverPath: config.chromedriver,
    browserName: config.browser,
    headless: config.headless,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    heartbeatTimeoutMs: config.heartbeatTimeoutMs,
    commandTimeoutMs: config.commandTimeoutMs,
  };
}
