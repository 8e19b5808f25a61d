/** Measures the time until a death is declared, and until a page in an endless loop is interrupted. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { CommandTimeoutError, SessionSupervisor, type SupervisorOptions } from 'webdriver-supervisor';
import { openFaultSite, strikeSession, type SessionFault } from 'webdriver-supervisor/testing';

import { ms, timeMs, toSample, type Row } from './measure.ts';
import type { BrowserPaths } from './overhead.ts';

const ROUNDS = 10;
const FROZEN_ROUNDS = 4;
const HEARTBEAT = { heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 600 };
const LOOP_DEADLINE_MS = 1_500;
const LOOP_GRACE_MS = 3_000;

interface FaultCase {
  readonly what: string;
  readonly goal: string;
  readonly medianMs: number;
  readonly worstMs: number;
  readonly rounds: number;
  readonly isBusy: boolean;
  readonly fault: SessionFault;
  /** Default: {@link HEARTBEAT}. */
  readonly heartbeat?: SupervisorOptions;
}

const heartbeatMs = HEARTBEAT.heartbeatIntervalMs + HEARTBEAT.heartbeatTimeoutMs;
const push = { rounds: ROUNDS, medianMs: 60, worstMs: 250, goal: 'median ≤ 60 ms, worst ≤ 250 ms' };
const frozen = {
  rounds: FROZEN_ROUNDS,
  // Timers fire a few milliseconds late.
  medianMs: heartbeatMs + 20,
  worstMs: heartbeatMs + 100,
  goal: `≤ interval + timeout = ${heartbeatMs} ms`,
};

const FAULTS: readonly FaultCase[] = [
  { ...push, what: 'browser killed while idle → declared', isBusy: false, fault: 'browser-killed' },
  { ...push, what: 'browser killed, command in flight → declared', isBusy: true, fault: 'browser-killed' },
  {
    ...push,
    medianMs: 20,
    goal: 'median ≤ 20 ms',
    what: 'driver killed → declared',
    isBusy: false,
    fault: 'driver-killed',
  },
  {
    ...push,
    medianMs: 80,
    goal: 'median ≤ 80 ms',
    what: 'tab crashed → declared',
    isBusy: false,
    fault: 'tab-crashed',
  },
  {
    ...frozen,
    what: 'browser frozen while idle → declared',
    isBusy: false,
    fault: 'browser-frozen',
  },
  {
    ...frozen,
    what: 'driver frozen, command in flight → declared',
    isBusy: true,
    fault: 'driver-frozen',
  },
  {
    ...frozen,
    what: 'browser frozen with work in flight, default heartbeat → declared',
    isBusy: true,
    fault: 'browser-frozen',
    heartbeat: {},
    medianMs: 3_000,
    worstMs: 3_000,
    goal: '≤ 3 s',
  },
];

export async function measureDetection(paths: BrowserPaths): Promise<Row[]> {
  const rows: Row[] = [];
  for (const fault of FAULTS) {
    const values: number[] = [];
    for (let round = 0; round < fault.rounds; round += 1)
      values.push(await detectOnce(fault, { ...paths, ...(fault.heartbeat ?? HEARTBEAT) }));
    const { median, worst, count } = toSample(values);
    rows.push({
      what: fault.what,
      measured: `median ${ms(median)}, worst ${ms(worst)} (${count} times)`,
      goal: fault.goal,
      isMet: median <= fault.medianMs && worst <= fault.worstMs,
    });
  }
  return rows;
}

/** Returns the time from the fault to the halt in milliseconds. */
async function detectOnce(fault: FaultCase, options: SupervisorOptions): Promise<number> {
  await using supervisor = await SessionSupervisor.start(options);
  await supervisor.driver.manage().setTimeouts({ script: 60_000 });
  if (fault.isBusy) {
    supervisor.driver.executeAsyncScript('').catch(() => undefined);
    // After this time the command has reached the browser, not only the driver.
    await sleep(300);
  }
  const halted = once(supervisor.signal, 'abort');
  // `await` is needed: otherwise the session would be stopped while its death is measured.
  return await timeMs(async () => {
    await strikeSession(fault.fault, supervisor);
    await halted;
  });
}

export async function measureLoopingPage(paths: BrowserPaths): Promise<Row[]> {
  await using site = await openFaultSite();
  await using supervisor = await SessionSupervisor.start({ ...paths, commandTimeoutMs: LOOP_DEADLINE_MS });
  await supervisor.driver.get(`${site.url}/ok`);
  await supervisor.driver.manage().setTimeouts({ script: null as unknown as number });
  const values: number[] = [];
  let result: unknown;
  for (let round = 0; round < 3; round += 1) {
    values.push(
      await timeMs(async () => {
        result = await supervisor.driver.executeScript('while (true) {}').catch((error: unknown) => error);
      }),
    );
  }
  const isAlive = (await supervisor.driver.getTitle()) === 'ok' && supervisor.state === 'alive';
  const { median, worst } = toSample(values);
  return [
    {
      what: 'page in an endless loop → command ended, session alive',
      measured: `median ${ms(median)}, worst ${ms(worst)}, session ${supervisor.state}`,
      goal: `≤ deadline + 3 s = ${LOOP_DEADLINE_MS + LOOP_GRACE_MS} ms`,
      isMet: worst <= LOOP_DEADLINE_MS + LOOP_GRACE_MS && isAlive && result instanceof CommandTimeoutError,
    },
  ];
}
