/**
 * Sockets that an action opened beside the transport: `driver.getBidi()`, a BiDi module, `driver.createCDPConnection()`. They pass no
 * door, so at the session's end they are terminated, and what waits on them is told.
 */
import type { WebDriver } from 'selenium-webdriver';
import { closeBidiConnection } from 'selenium-webdriver/lib/bidi_connection.js';

import { settlesWithin } from '../core/abort.ts';

const CLOSE_LIMIT_MS = 200;

export async function terminateOwnSockets(driver: WebDriver): Promise<void> {
  const { _cdpWsConnection: cdp } = driver as { _cdpWsConnection?: { terminate(): void } };
  cdp?.terminate();
  await settlesWithin(closeBidiConnection(driver), CLOSE_LIMIT_MS);
}
