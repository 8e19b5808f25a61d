/** The browser that tests see: of the session that lives now, or of one that is started because they ask for it. */
import { deferDriver } from '../driver/driver.ts';
import type { Api, SessionSupervisor, WebDriver } from '../supervisor/supervisor.ts';

export interface TestBrowser {
  /** Selenium's driver of the session that the current test has. */
  readonly driver: WebDriver;
  /** HTTP calls with the session's cookies. */
  readonly api: Api;
  /** Aborts when the session of the current test dies. */
  readonly signal: AbortSignal;
}

/** The driver of a session that is on its way. */
export function deferredDriver(ready: Promise<SessionSupervisor>, browserName: string): WebDriver {
  const driver = ready.then((supervisor) => supervisor.driver);
  driver.catch(() => undefined);
  return deferDriver(driver, browserName);
}

/** The HTTP client of a session that is on its way. */
export function deferredApi(ready: Promise<SessionSupervisor>): Api {
  return {
    fetch: async (...call) => (await ready).api.fetch(...call),
    json: async (...call) => (await ready).api.json(...call),
  };
}
