/** A program that starts a session, tells about it in one line, and then ends as it is told to: by itself, or from outside. */
import { BrowserSession } from '../../../src/driver/browser-session.ts';
import { localBrowser } from './local-browser.ts';
import { makeKeeper } from './sessions.ts';
import { silentLog } from '../../../src/core/log.ts';

const [ending] = process.argv.slice(2);
const { listener, halt } = makeKeeper();
const session = await BrowserSession.start({
  target: await localBrowser(),
  browser: {},
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
// Stays: the driver's pipes keep it alive.
