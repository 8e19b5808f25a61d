/** Makes a real Selenium Grid slow: its nodes, drivers and browsers stop for seconds on a busy machine. No session may die by that. */
import { loadavg } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

import { SessionSupervisor, type Death } from 'webdriver-supervisor';
import { openFaultSite } from 'webdriver-supervisor/testing';

import { begin, type Activity } from '../grid/lose-session.ts';
import { openGrid } from '../grid/open-grid.ts';
import { startHogs } from './hogs.ts';

/** The work of the sessions. */
const SESSIONS: readonly Activity[] = ['idle', 'command', 'batch', 'idle'];
const HOGS = 30;
const ROUNDS = 10;
const STOPPED_MS = 4_000;
/** Longer than the interval and the timeout of a heartbeat. */
const CALM_MS = 9_000;

/** Returns true if no death was declared and all sessions work afterwards. */
export async function slowDownGrid(): Promise<boolean> {
  await using site = await openFaultSite();
  await using grid = await openGrid({ nodes: 2, slots: 2 });
  await using stack = new AsyncDisposableStack();
  const deaths: Death[] = [];
  const supervisors = await Promise.all(
    SESSIONS.map(async () => {
      const supervisor = await SessionSupervisor.start({ gridUrl: grid.url });
      stack.defer(() => supervisor.stop());
      supervisor.on('session:dead', ({ death }) => deaths.push(death));
      await supervisor.driver.get(`${site.url}/`);
      await supervisor.driver.manage().setTimeouts({ script: 600_000 });
      return supervisor;
    }),
  );
  const over = new AbortController();
  const working = supervisors.map(async (supervisor, at) => {
    const activity = SESSIONS[at] ?? 'idle';
    if (activity === 'idle') return;
    while (!over.signal.aborted && supervisor.state === 'alive') await begin(supervisor, activity, `${site.url}/`);
  });
  {
    await using _hogs = startHogs(HOGS);
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const { pid } of grid.nodes) process.kill(-pid, 'SIGSTOP');
      await pause(STOPPED_MS);
      for (const { pid } of grid.nodes) process.kill(-pid, 'SIGCONT');
      await pause(CALM_MS);
      console.log(`round ${round}: load ${loadavg()[0]?.toFixed(0)}, ${deaths.length} deaths`);
    }
  }
  over.abort();
  await Promise.all(working);
  for (const supervisor of supervisors) if (supervisor.state === 'alive') await supervisor.driver.getTitle();
  for (const { cause, evidence } of deaths) console.log(`  ${cause}: ${evidence.message}`);
  const alive = supervisors.filter(({ state }) => state === 'alive').length;
  console.log(`${alive} of ${supervisors.length} sessions work after ${ROUNDS} stops of ${STOPPED_MS / 1_000} s.`);
  return deaths.length === 0 && alive === supervisors.length;
}
