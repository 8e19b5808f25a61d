import type { WebDriver } from 'selenium-webdriver';

import { toError } from '../core/errors.ts';

/**
 * Sends a command until no alert prevents it, and dismisses each alert that does. Resolves with the command's value. A page that opens alerts
 * endlessly ends only by `limit`.
 */
export async function pastAlerts<Value>(
  driver: WebDriver,
  command: () => Promise<Value>,
  limit?: AbortSignal,
): Promise<Value> {
  for (;;) {
    limit?.throwIfAborted();
    try {
      return await command();
    } catch (thrown) {
      if (toError(thrown).name !== 'UnexpectedAlertOpenError') throw thrown;
    }
    try {
      // A session with `unhandledPromptBehavior: ignore` leaves the alert open.
      await driver.switchTo().alert().dismiss();
    } catch (thrown) {
      if (toError(thrown).name !== 'NoSuchAlertError') throw thrown;
    }
  }
}
