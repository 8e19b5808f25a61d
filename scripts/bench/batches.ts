/** Measures a supervised batch beside p-queue and beside the same work written by hand, and its memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';

import PQueue from 'p-queue';
import pRetry from 'p-retry';
import type { SessionSupervisor } from 'webdriver-supervisor';

import { inTurns, ms, type Row } from './measure.ts';

const ROUNDS = 9;
const TASKS = 400;
const TASK_MS = 5;
const EMPTY_ROUNDS = 7;
const EMPTY_ITEMS = 100_000;
const CONCURRENCY = 10;

export async function measureBatches(supervisor: SessionSupervisor): Promise<Row[]> {
  return [
    ...(await measureTasks(supervisor)),
    await measureEmptyItems(supervisor),
    await measureQueuedMemory(supervisor),
  ];
}

async function measureTasks(supervisor: SessionSupervisor): Promise<Row[]> {
  const items = listNumbers(TASKS);
  const task = () => sleep(TASK_MS);
  const { signal } = new AbortController();
  const byHand = async () => {
    const queue = new PQueue({ concurrency: CONCURRENCY });
    const results = items.map((item) =>
      queue.add(() => pRetry(async () => (await task(), item), { retries: 2, signal }), { signal }),
    );
    await Promise.allSettled(results);
  };
  const bareQueue = async () => {
    const queue = new PQueue({ concurrency: CONCURRENCY });
    await Promise.all(items.map((item) => queue.add(async () => (await task(), item))));
  };
  const supervised = () =>
    supervisor.batch(items, async (item) => (await task(), item), { concurrency: CONCURRENCY, retries: 2 });
  await Promise.all([byHand(), supervised(), bareQueue()]);
  const samples = await inTurns({ byHand, bareQueue, supervised }, ROUNDS);
  const hand = samples.supervised.median / samples.byHand.median;
  const bare = samples.supervised.median / samples.bareQueue.median;
  return [
    {
      what: `supervised batch / the same by hand (p-queue + p-retry + signal), ${TASK_MS} ms tasks`,
      measured: `${hand.toFixed(3)} (${ms(samples.supervised.median)} / ${ms(samples.byHand.median)})`,
      goal: '≤ 1.05',
      isMet: hand <= 1.05,
    },
    {
      what: `supervised batch / bare p-queue, ${TASK_MS} ms tasks`,
      measured: `${bare.toFixed(3)} (${ms(samples.supervised.median)} / ${ms(samples.bareQueue.median)})`,
      goal: '≤ 1.05',
      isMet: bare <= 1.05,
    },
  ];
}

/** Measures empty items. Both candidates get the same empty function, so that only the queueing is measured. */
async function measureEmptyItems(supervisor: SessionSupervisor): Promise<Row> {
  const items = listNumbers(EMPTY_ITEMS);
  const bareQueue = async () => {
    const queue = new PQueue({ concurrency: CONCURRENCY });
    await Promise.all(items.map((item) => queue.add(async () => item)));
  };
  const supervised = () => supervisor.batch(items, async (item) => item, { concurrency: CONCURRENCY });
  await bareQueue();
  await supervised();
  const samples = await inTurns({ bareQueue, supervised }, EMPTY_ROUNDS);
  const ratio = samples.supervised.median / samples.bareQueue.median;
  return {
    what: `${EMPTY_ITEMS} empty items, supervised batch / bare p-queue`,
    measured: `${ratio.toFixed(2)} (${ms(samples.supervised.median)} / ${ms(samples.bareQueue.median)})`,
    goal: '≤ 1.5',
    isMet: ratio <= 1.5,
  };
}

/** Measures the memory of queued items. The items exist before, so their own memory does not count. */
async function measureQueuedMemory(supervisor: SessionSupervisor): Promise<Row> {
  const items = listNumbers(EMPTY_ITEMS);
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const before = heapBytes();
  const outcome = supervisor.batch(
    items,
    (_item, { signal }) => {
      begun.resolve();
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
    { concurrency: 1, signal: stop.signal },
  );
  await begun.promise;
  const bytes = (heapBytes() - before) / items.length;
  stop.abort(new Error('measured'));
  await outcome;
  return {
    what: 'memory per queued item, beyond the item',
    measured: `${Math.round(bytes)} bytes (${EMPTY_ITEMS} items)`,
    goal: '≤ 200 bytes',
    isMet: bytes <= 200,
  };
}

function listNumbers(count: number): number[] {
  return Array.from({ length: count }, (_unused, index) => index);
}

function heapBytes(): number {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;
  for (let round = 0; round < 3; round += 1) collect();
  return process.memoryUsage().heapUsed;
}
