/**
 * A program that starts a supervisor, lets a driver wait for the next session, and prints the waiting driver's pid. Then it stays, or, with
 * the argument `forget`, its browser dies and it forgets to stop the supervisor.
 */
import { silentLog } from '../../src/core/log.ts';
import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { killProcess } from 'webdriver-supervisor/testing';

const waiting = Promise.withResolvers<number>();
const log = {
  ...silentLog,
  debug: (message: string, fields: object = {}) => {
    if (message.includes('waits for the next session') && 'pid' in fields) waiting.resolve(Number(fields.pid));
  },
  child: () => log,
};
const supervisor = await SessionSupervisor.start({ log });
const pid = await waiting.promise;
process.stdout.write(`${JSON.stringify({ waiting: pid, browser: supervisor.pids.browser })}\n`, () => {
  if (process.argv[2] === 'forget') killProcess(supervisor.pids.browser!);
});
