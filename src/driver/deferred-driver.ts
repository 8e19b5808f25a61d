/** Selenium's driver object for a session that is still being started: its commands wait for it. */
import type { WebDriver } from 'selenium-webdriver';

import { driverClassOf } from './driver-class.ts';
import { loadSelenium } from './selenium.ts';

/**
 * Returns a driver of the browser's own class, whose commands are executed by the driver of `ready`, as soon as there is one. They reject
 * as `ready` does.
 */
export function deferDriver(ready: Promise<WebDriver>, browserName = 'chrome'): WebDriver {
  const session = ready.then((driver) => driver.getSession());
  const execute = async (...command: Parameters<ReturnType<WebDriver['getExecutor']>['execute']>): Promise<unknown> =>
    (await ready).getExecutor().execute(...command);
  const Driver = driverClassOf(browserName) ?? loadSelenium<typeof import('selenium-webdriver')>('index.js').WebDriver;
  const driver = new Driver(session, { execute });
  // These make connections that end with the session, which is the affair of its own driver.
  driver.getBidi = async () => (await ready).getBidi();
  driver.createCDPConnection = async (target) => (await ready).createCDPConnection(target);
  return driver;
}
