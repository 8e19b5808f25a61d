/** A program that starts a session, prints its facts in one line, and then ends as its argument says: by itself or from outside. */
import { BrowserSession } from '../../../src/driver/browser-session.ts';
import { localFirefox } from '../../support/firefox.ts';
import { localBrowser } from './local-browser.ts';
import { makeRecorder } from './sessions.ts';
import { silentLog } from '../../../src/core/log.ts';

const [ending, browserName] = process.argv.slice(2);
const { listener, halt } = makeRecorder();
const session = await BrowserSession.start({
  target: await (browserName === 'firefox' ? localFirefox() : localBrowser()),
  browser: browserName === undefined ? {} : { browserName },
  signal: halt.signal,
  commandTimeoutMs: 10_000,
  heartbeatTimeoutMs: 1_000,
  listener,
  log: silentLog,
});
const facts = { ...session.driverProcess, driver: session.driverProcess?.pid, folder: session.driverProcess?.folder };
process.stdout.write(`${JSON.stringify({ ...facts, browser: session.browserPid })}\n`, () => {
  if (ending === 'exit') process.exit(3);
  if (ending === 'throw')
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
});
// The driver's pipes keep this program running.
