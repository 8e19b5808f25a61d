/** The browser of tests: that of the current session, or of a session that is being started. */
import { deferDriver } from '../driver/driver.ts';
import type { Api, SessionSupervisor, WebDriver } from '../supervisor/supervisor.ts';

export interface TestBrowser {
  /** Selenium's driver of the session of the current test. */
  readonly driver: WebDriver;
  /** HTTP calls with the session's cookies. */
  readonly api: Api;
  /** Aborts when the session of the current test dies. */
  readonly signal: AbortSignal;
}

/** Returns the driver of a session that is being started. Its commands wait for the start. */
export function deferredDriver(ready: Promise<SessionSupervisor>, browserName: string): WebDriver {
  const driver = ready.then((supervisor) => supervisor.driver);
  driver.catch(() => undefined);
  return deferDriver(driver, browserName);
}

/** Returns the HTTP client of a session that is being started. Its calls wait for the start. */
export function deferredApi(ready: Promise<SessionSupervisor>): Api {
  return {
    fetch: async (...call) => (await ready).api.fetch(...call),
    json: async (...call) => (await ready).api.json(...call),
  };
}
