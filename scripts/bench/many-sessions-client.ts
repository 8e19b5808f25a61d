/**
 * One candidate of the benchmark of many sessions, in a process of its own: `CANDIDATE COUNT ENDPOINT [REGISTRY]`. It starts its sessions,
 * and then measures what each message asks for.
 */
import v8 from 'node:v8';
import vm from 'node:vm';

import { Builder, type WebDriver } from 'selenium-webdriver';
import { loadConfig, openRegistry, SessionManager, SessionSupervisor } from 'webdriver-supervisor';

import { delay } from '../../src/core/abort.ts';
import { measureStall } from './measure.ts';

/** A request of the parent process. */
export type Question =
  | { readonly kind: 'idle'; readonly forMs: number }
  /** Uses each session once, spread over a second, and restarts each that has died. */
  | { readonly kind: 'storm' };

/** The measured numbers. */
export interface Answer {
  /** The CPU time of this process as a part of one core. */
  readonly load: number;
  readonly bytesPerSession: number;
  readonly stallMs: number;
  /** The longest CPU time of the main thread between two turns of the event loop. */
  readonly ownStallMs: number;
  readonly tookMs: number;
  readonly recovered: number;
}

const STARTS_AT_A_TIME = 20;
const POLL_MS = 5_000;
const STORM_MS = 1_000;

const [candidate = '', countText = '', gridUrl = '', registryUrl = ''] = process.argv.slice(2);
const count = Number(countText);
const supervisors: SessionSupervisor[] = [];
const bare: WebDriver[] = [];

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;
const manager = candidate === 'leased' ? await openManager() : undefined;
await startOne(0);
const bytesBefore = usedBytes();
await atATime(count - 1, (index) => startOne(index + 1));
const bytesPerSession = (usedBytes() - bytesBefore) / (count - 1);

process.on('message', (question: Question) => void answer(question).then((found) => process.send?.(found)));
process.once('disconnect', () => process.exit());
process.send?.('started');

async function answer(question: Question): Promise<Answer> {
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  let recovered = 0;
  const work =
    question.kind === 'idle' ? () => delay(question.forMs) : async () => void (recovered = await useAndRestart());
  // The measurement of a stall wakes up each millisecond, which would count as load.
  const stall = question.kind === 'idle' ? (await work(), undefined) : await measureStall(work);
  const tookMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    load: (user + system) / 1_000 / tookMs,
    bytesPerSession,
    stallMs: stall?.longestMs ?? 0,
    ownStallMs: stall?.ownMs ?? 0,
    tookMs,
    recovered,
  };
}

async function useAndRestart(): Promise<number> {
  const uses = supervisors.map(async (supervisor, index) => {
    await delay((index * STORM_MS) / count);
    await supervisor.driver.getTitle().catch(() => undefined);
    if (supervisor.state !== 'dead') return 0;
    await supervisor.restart();
    return 1;
  });
  return (await Promise.all(uses)).reduce<number>((total, one) => total + one, 0);
}

async function startOne(index: number): Promise<void> {
  if (candidate === 'bare') {
    const driver = await new Builder().usingServer(gridUrl).forBrowser('chrome').build();
    bare.push(driver);
    setInterval(() => void driver.getAllWindowHandles(), POLL_MS);
  } else if (manager !== undefined) {
    supervisors.push((await manager.acquire(`owner-${index}`)).supervisor);
  } else {
    supervisors.push(await SessionSupervisor.start({ gridUrl }));
  }
}

async function openManager(): Promise<SessionManager> {
  const config = loadConfig({ environment: { GRID_URL: gridUrl, MAX_SESSIONS: String(count) } });
  return SessionManager.open({ registry: await openRegistry(registryUrl), config });
}

async function atATime(total: number, start: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const startAll = async () => {
    while (next < total) await start(next++);
  };
  await Promise.all(Array.from({ length: STARTS_AT_A_TIME }, startAll));
}

function usedBytes(): number {
  for (let round = 0; round < 3; round += 1) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
