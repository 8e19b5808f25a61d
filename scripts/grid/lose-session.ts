/** Loses one session on a real Selenium Grid, and measures when the death is declared, the next session works, and the slot is free again. */
import { setTimeout as sleep } from 'node:timers/promises';

import { SessionSupervisor, type Death } from 'webdriver-supervisor';

import { listProcesses, readProcessVariable } from '../../src/driver/process-table.ts';
import { findVictim, signalIfThere, type GridLoss } from './grid-losses.ts';
import type { Grid } from './open-grid.ts';

export const ACTIVITIES = ['idle', 'command', 'batch'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** A death that is not declared by then counts as not noticed. */
const NOTICE_LIMIT_MS = 60_000;
/** The time for which a session that must live on is observed. */
const CALM_MS = 10_000;
/** A browser ends within 1 s. A frozen node notices a DELETE only when it wakes. */
const RELEASE_LIMIT_MS = 60_000;
const POLL_MS = 200;

export interface LossOptions {
  readonly activity: Activity;
  /** The URL of a page that the session visits, and that the batch fetches. */
  readonly page: string;
  /** False if the Grid may stay without the lost node. Default true. */
  readonly repairs?: boolean;
}

export interface LossResult {
  readonly cause: string;
  /** The time from the loss to the declaration; null if no death was declared. */
  readonly declaredMs: number | null;
  /** The time from the declaration to the first command of the next session; null if no death was declared. */
  readonly recoveredMs: number | null;
  /** The time after the end of the supervisor at which no slot was occupied and no driver or browser was left; null if some stayed. */
  readonly freedMs: number | null;
  readonly problems: readonly string[];
}

/** Loses one session, and makes the Grid whole again. */
export async function loseSession(
  grid: Grid,
  loss: GridLoss,
  { activity, page, repairs = true }: LossOptions,
): Promise<LossResult> {
  const problems: string[] = [];
  const supervisor = await SessionSupervisor.start({ gridUrl: grid.url, capabilities: { browserName: grid.browser } });
  const dead = Promise.withResolvers<Death>();
  supervisor.on('session:dead', ({ death }) => dead.resolve(death));
  let declaredMs: number | null = null;
  let recoveredMs: number | null = null;
  let cause = 'none';
  let browserPid: number | undefined;
  try {
    await supervisor.driver.get(page);
    const { sessionId = '', pids } = supervisor;
    const victim = await findVictim(grid, { sessionId, browserPid: pids.browser ?? 0 });
    ({ browserPid } = victim);
    await supervisor.driver.manage().setTimeouts({ script: 300_000 });
    const working = begin(supervisor, activity, page);
    const struckAt = performance.now();
    const repair = await loss.strike(victim);
    const repaired = repairs ? sleep(loss.outageMs ?? 0).then(repair) : undefined;
    const death = await within(dead.promise, loss.causes.length === 0 ? CALM_MS : NOTICE_LIMIT_MS);
    if (death === undefined) {
      if (loss.causes.length > 0) problems.push('no death was declared');
      else await supervisor.driver.getTitle();
    } else {
      const declaredAt = performance.now();
      declaredMs = Math.round(declaredAt - struckAt);
      cause = death.cause;
      if (!loss.causes.includes(death.cause)) problems.push(`wrong cause: ${death.cause}, ${death.evidence.message}`);
      await working;
      await supervisor.restart();
      await supervisor.driver.get(page);
      recoveredMs = Math.round(performance.now() - declaredAt);
    }
    await repaired;
  } catch (thrown) {
    problems.push(String(thrown));
  }
  const endedAt = performance.now();
  await supervisor.stop();
  if (grid.browser === 'firefox' && loss.orphansFirefox && browserPid !== undefined)
    signalIfThere(browserPid, 'SIGKILL');
  const freedMs = await untilFree(grid, endedAt);
  if (freedMs === null)
    problems.push(`left: ${(await grid.listSessions()).length} slots, ${processesOf(grid)} processes`);
  return { cause, declaredMs, recoveredMs, freedMs, problems };
}

/** Begins the work of a session. The promise never rejects: a death ends the work. */
export async function begin(supervisor: SessionSupervisor, activity: Activity, page: string): Promise<unknown> {
  if (activity === 'idle') return undefined;
  if (activity === 'command')
    return supervisor.driver.executeAsyncScript('setTimeout(arguments[0], 20000)').catch(() => undefined);
  const items = Array.from({ length: 20_000 }, (_, index) => index);
  return supervisor.batch(items, async (_item, { api }) => {
    await api.fetch(page);
    await sleep(20);
  });
}

async function untilFree(grid: Grid, since: number): Promise<number | null> {
  while (performance.now() - since < RELEASE_LIMIT_MS) {
    const sessions = await grid.listSessions().catch(() => ['unknown']);
    if (sessions.length === 0 && processesOf(grid) === 0) return Math.round(performance.now() - since);
    await sleep(POLL_MS);
  }
  return null;
}

/** Returns the number of drivers and browsers of the Grid. */
function processesOf({ folder }: Grid): number {
  return listProcesses().filter(
    ({ pid, state, command }) =>
      !/[ZX]/.test(state) && !command.startsWith('java') && readProcessVariable(pid, 'TMPDIR') === folder,
  ).length;
}

async function within<Value>(work: Promise<Value>, limitMs: number): Promise<Value | undefined> {
  const stop = new AbortController();
  const late = sleep(limitMs, undefined, { signal: stop.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}
