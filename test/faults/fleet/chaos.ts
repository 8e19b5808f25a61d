/** Three worker processes do one run while one is killed, one is suspended beyond its lease, and PostgreSQL restarts. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { silentLog } from '../../../src/core/log.ts';
import { enqueue, openQueue } from '../../../src/fleet/fleet.ts';
import type { StoredRun } from '../../../src/model/run.ts';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import action from '../../fixtures/actions/slow-letters.ts';
import { eventually } from '../../support/eventually.ts';
import { TestPostgres } from '../../support/postgres.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const ACTION_FILE = path.join(ROOT, 'test/fixtures/actions/slow-letters.ts');
const RECORDS_PER_SHARD = 5;
/** Longer than the heartbeat of the queue and the lease of a session. */
const SUSPENDED_MS = 20_000;
const LIMIT_MS = 180_000;

export interface FleetChaos {
  readonly workers: number;
  readonly shards: number;
  readonly seed: number;
  readonly stepMs?: number;
  /** Called with each thing that happens. */
  readonly note?: (text: string) => void;
}

export interface LettersRun {
  readonly url: string;
  readonly registry: Registry;
  readonly shards: number;
  readonly stepMs: number;
}

export interface FleetResult {
  readonly status: StoredRun['status'];
  readonly expected: number;
  readonly records: number;
  readonly missing: readonly number[];
  readonly doubled: readonly number[];
  readonly areCountsRight: boolean;
  readonly inOrder: boolean;
  /** The number of shards that were begun more than once. */
  readonly resumed: number;
  readonly seconds: number;
}

export async function disturbFleet({
  workers,
  shards,
  seed,
  stepMs = 100,
  note = () => undefined,
}: FleetChaos): Promise<FleetResult> {
  await using postgres = await TestPostgres.start();
  const url = await postgres.createDatabase();
  await using server = await openScriptedWebDriver();
  await using registry = await openRegistry(url);
  const parentId = await enqueueLetters({ url, registry, shards, stepMs });
  const startedAt = performance.now();
  const processes = Array.from({ length: workers }, () => startWorker(url, server.url));
  try {
    const [killed, suspended] = processes;
    const doneAtLeast = (part: number) =>
      eventually(
        async () => (await countDone(registry, parentId)) >= part * shards,
        `${part * 100} % of the shards`,
        LIMIT_MS,
      );
    await doneAtLeast(0.1 + (seed % 10) / 100);
    killed?.kill('SIGKILL');
    note('one worker is killed');
    suspended?.kill('SIGSTOP');
    note('one worker is suspended');
    const woken = pause(SUSPENDED_MS).then(() => {
      suspended?.kill('SIGCONT');
      note('the suspended worker continues');
    });
    await doneAtLeast(0.3);
    await postgres.stop();
    await postgres.start();
    note('PostgreSQL was restarted');
    await woken;
    const run = await eventually(
      async () => {
        const now = await registry.runs.get(parentId);
        return now !== undefined && now.endedAt !== null ? now : undefined;
      },
      'the end of the run',
      LIMIT_MS,
    );
    return await examine(run, { registry, shards, seconds: (performance.now() - startedAt) / 1_000 });
  } finally {
    await Promise.all(processes.map(endWorker));
  }
}

/** Enqueues a run of numbered records. Returns the id of the parent. */
export async function enqueueLetters({ url, registry, shards, stepMs }: LettersRun): Promise<string> {
  await using queue = await openQueue(url, 'This needs', { log: silentLog });
  const options = { registry, queue, target: ACTION_FILE, count: shards };
  const { parentId } = await enqueue(action, { length: RECORDS_PER_SHARD, stepMs }, options);
  return parentId;
}

/** Starts the worker program. */
export function startWorker(url: string, gridUrl: string): ChildProcess {
  return spawn(
    process.execPath,
    ['--conditions=webdriver-supervisor:source', 'src/cli/main.ts', 'worker', '--drain', '1'],
    {
      cwd: ROOT,
      env: { ...process.env, REGISTRY_URL: url, GRID_URL: gridUrl, LOG_LEVEL: 'error' },
      stdio: ['ignore', 'ignore', 'ignore'],
    },
  );
}

export async function endWorker(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const ended = once(worker, 'exit');
  worker.kill('SIGKILL');
  await ended;
}

async function countDone(registry: Registry, parentId: string): Promise<number> {
  const shards = await registry.shards.list(parentId);
  return shards.filter(({ status }) => status === 'completed').length;
}

async function examine(
  run: StoredRun,
  { registry, shards, seconds }: { readonly registry: Registry; readonly shards: number; readonly seconds: number },
): Promise<FleetResult> {
  const entries = await Array.fromAsync(registry.runs.listRecords(run.id));
  const numbers = entries.map(({ json }) => (JSON.parse(json) as { number: number }).number);
  const expected = Array.from({ length: shards * RECORDS_PER_SHARD }, (_, number) => number);
  const { total, queued, running, done, failed, cancelled, skipped } = run.counts;
  return {
    status: run.status,
    expected: expected.length,
    records: numbers.length,
    missing: expected.filter((number) => !numbers.includes(number)),
    doubled: numbers.filter((number, at) => numbers.indexOf(number) !== at),
    areCountsRight:
      total === expected.length && done === total && queued + running + failed + cancelled + skipped === 0,
    inOrder: numbers.every((number, at) => number === expected[at]),
    resumed: (await registry.shards.list(run.id)).filter(({ attempts }) => attempts > 1).length,
    seconds,
  };
}

/** Returns whether the union is exact. */
export function isExact({ status, missing, doubled, areCountsRight, inOrder }: FleetResult): boolean {
  return status === 'completed' && missing.length + doubled.length === 0 && areCountsRight && inOrder;
}
