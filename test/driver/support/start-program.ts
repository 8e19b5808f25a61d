/** A program that starts a session with the settings of its environment, and prints why it could not. */
import { silentLog } from '../../../src/core/log.ts';
import { toError } from '../../../src/core/errors.ts';
import { locateBrowser } from '../../../src/driver/locate.ts';
import { BrowserSession } from '../../../src/driver/browser-session.ts';
import { makeRecorder } from './sessions.ts';

const { PATH, CHROME_BINARY, CHROMEDRIVER, LD_LIBRARY_PATH } = process.env;
const located = await locateBrowser({ browserPath: CHROME_BINARY, driverPath: CHROMEDRIVER, env: { PATH } });
if (!located.found) throw new Error(`There is no browser on this machine: ${JSON.stringify(located)}`);
const { listener, halt } = makeRecorder();
try {
  const session = await BrowserSession.start({
    target: { kind: 'own', browserPath: located.browserPath, driverPath: located.driverPath },
    browser: LD_LIBRARY_PATH === undefined ? {} : { environment: { LD_LIBRARY_PATH } },
    signal: halt.signal,
    commandTimeoutMs: 20_000,
    heartbeatTimeoutMs: 1_000,
    listener,
    log: silentLog,
  });
  await session.stop();
  process.stdout.write('It was started.\n');
} catch (thrown) {
  process.stdout.write(`${toError(thrown).message}\n`);
}
