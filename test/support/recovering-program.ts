/**
 * A program that starts a supervisor and prints the pid of the driver that waits for its next session; with the argument `standby`, of the
 * browser that waits. With the argument `forget` its browser then dies, and it does not stop the supervisor.
 */
import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { killProcess } from 'webdriver-supervisor/testing';
import { LogWatch } from './log-watch.ts';

const [how] = process.argv.slice(2);
const watch = new LogWatch();
const supervisor = await SessionSupervisor.start({ log: watch.log, standby: how === 'standby' });
const { pid, browser } = await watch.next('waits for', 0);
process.stdout.write(`${JSON.stringify({ waiting: pid ?? browser })}\n`, () => {
  if (how === 'forget') killProcess(supervisor.pids.browser!);
});
