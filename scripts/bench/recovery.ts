/** Measures how long a session's death delays the work: until the first command of the next session, and over a whole run. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  defineAction,
  loadConfig,
  runAction,
  SessionSupervisor,
  z,
  type Log,
  type RunOptions,
} from 'webdriver-supervisor';
import { openFaultSite, strikeSession } from 'webdriver-supervisor/testing';

import { ms, timeMs, toSample, type Row } from './measure.ts';
import type { BrowserPaths } from './overhead.ts';

const ROUNDS = 10;
const RUN_ROUNDS = 3;
const KILLS = 5;
/** The time of a step, in which a driver starts for the next session. */
const STEP_MS = 1_250;
/** The time that a recovery may take beyond the start of a session. */
const RECOVERY_MARGIN_MS = 100;
const STANDBY_GOAL_MS = 50;

interface Recovery {
  readonly startMs: number;
  readonly recoveryMs: number;
}

/** Returns a log, and a promise that resolves when the log says that a driver or a standby waits for the next session. */
function watchForNext(): { log: Log; ready: Promise<void> } {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const nothing = () => undefined;
  const log: Log = {
    error: nothing,
    warn: nothing,
    info: nothing,
    debug: (message) => {
      if (message.includes(' waits for ')) resolve();
    },
    child: () => log,
  };
  return { log, ready };
}

async function recoverOnce(paths: BrowserPaths, { standby }: { standby: boolean }): Promise<Recovery> {
  let started: SessionSupervisor | undefined;
  const { log, ready } = watchForNext();
  const startMs = await timeMs(async () => {
    started = await SessionSupervisor.start({ ...paths, standby, log });
    await started.driver.getTitle();
  });
  if (started === undefined) throw new Error('No session was started.');
  await using supervisor = started;
  await ready;
  const halted = once(supervisor.signal, 'abort');
  await strikeSession('browser-killed', supervisor);
  await halted;
  const recoveryMs = await timeMs(async () => {
    await supervisor.restart();
    await supervisor.driver.getTitle();
  });
  return { startMs, recoveryMs };
}

/** Measures the time from a death to the first successful command of the next session, beside a plain start. */
export async function measureRecovery(paths: BrowserPaths): Promise<Row[]> {
  const plain: Recovery[] = [];
  const promoted: Recovery[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    plain.push(await recoverOnce(paths, { standby: false }));
    promoted.push(await recoverOnce(paths, { standby: true }));
  }
  const start = toSample([...plain, ...promoted].map(({ startMs }) => startMs)).median;
  const recovery = toSample(plain.map(({ recoveryMs }) => recoveryMs)).median;
  const { median, worst } = toSample(promoted.map(({ recoveryMs }) => recoveryMs));
  return [
    {
      what: 'death → first command on the next session / a start',
      measured: `${(recovery / start).toFixed(3)} (${ms(recovery)} / ${ms(start)})`,
      goal: '≤ 1.05',
      isMet: recovery / start <= 1.05,
    },
    {
      what: 'death → first command on the next session, with a standby',
      measured: `median ${ms(median)}, worst ${ms(worst)} (${promoted.length} times)`,
      goal: `median ≤ ${STANDBY_GOAL_MS} ms`,
      isMet: median <= STANDBY_GOAL_MS,
    },
  ];
}

/** Measures a run whose browser is killed five times, without and with a standby, beside an undisturbed run. */
export async function measureFiveKills(paths: BrowserPaths): Promise<Row[]> {
  await using site = await openFaultSite();
  const times = { undisturbed: [] as number[], killed: [] as number[], standby: [] as number[], start: [] as number[] };
  for (let round = 0; round < RUN_ROUNDS; round += 1) {
    times.undisturbed.push(await runOnce(site.url, { kills: 0, paths }));
    times.killed.push(await runOnce(site.url, { kills: KILLS, paths }));
    times.standby.push(await runOnce(site.url, { kills: KILLS, paths, standby: true }));
    times.start.push((await recoverOnce(paths, { standby: false })).startMs);
  }
  const undisturbed = toSample(times.undisturbed).median;
  const start = toSample(times.start).median;
  const limit = KILLS * (start + RECOVERY_MARGIN_MS);
  return [
    { what: 'five kills in one run', killed: toSample(times.killed).median },
    { what: 'five kills in one run, with a standby', killed: toSample(times.standby).median },
  ].map(({ what, killed }) => ({
    what: `${what} → later than an undisturbed run`,
    measured: `${ms(killed - undisturbed)} (${ms(killed)} - ${ms(undisturbed)})`,
    goal: `≤ 5 × (a start + ${RECOVERY_MARGIN_MS} ms) = ${ms(limit)}`,
    isMet: killed - undisturbed <= limit,
  }));
}

interface KilledRun extends Pick<RunOptions, 'standby'> {
  readonly kills: number;
  readonly paths: BrowserPaths;
}

/** Does a run of twelve steps, of which every second one begins with a kill of the browser. Returns its time in milliseconds. */
async function runOnce(url: string, { kills, paths, standby = false }: KilledRun): Promise<number> {
  let killed = 0;
  let strike = async (): Promise<void> => undefined;
  const action = defineAction({
    name: 'twelve-steps',
    description: 'Opens a page in each step.',
    params: z.object({}),
    run: async ({ driver, step }) => {
      for (let number = 1; number <= 12; number += 1) {
        await step(`page ${number}`, async () => {
          if (number % 2 === 0 && killed < kills && killed < number / 2) {
            killed += 1;
            await strike();
          }
          await driver.get(`${url}/ok`);
          await sleep(STEP_MS);
        });
      }
    },
  });
  const options: RunOptions = {
    config: { ...loadConfig(), registryUrl: 'sqlite::memory:' },
    output: false,
    supervisor: paths,
    standby,
    onSession: (supervisor) => void (strike = () => strikeSession('browser-killed', supervisor)),
  };
  return timeMs(async () => {
    const { status, deaths } = await runAction(action, {}, options);
    if (status !== 'completed' || deaths.length !== kills)
      throw new Error(`The run ended as ${status} after ${deaths.length} deaths.`);
  });
}
