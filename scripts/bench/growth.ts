/**
 * Measures how time, memory and the size of the database grow with the number of items, for several numbers of workers. The sessions are scripted,
 * so that no browser is the limit.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Client } from 'pg';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { silentLog } from '../../src/core/log.ts';
import { enqueue, openQueue } from '../../src/fleet/fleet.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { endWorker, startWorker } from '../../test/faults/fleet/chaos.ts';
import action from '../../test/fixtures/actions/many-records.ts';
import { TestPostgres } from '../../test/support/postgres.ts';
import type { Row } from './measure.ts';

const ACTION_FILE = path.resolve(import.meta.dirname, '../../test/fixtures/actions/many-records.ts');
const WORKERS = [1, 2, 4, 8];
const ITEMS = [1_000, 10_000, 100_000];
const ITEMS_PER_SHARD = 100;
/** The question for the end reads all shards, so it is asked rarely. */
const POLL_MS = 500;
/** Time and database may grow in proportion to the items, with a tenth more in the exponent for what is measured beside it. */
const EXPONENT_GOAL = 1.1;
/** Workers are programs of constant size. */
const MEMORY_GOAL = 0.2;

interface Measured {
  readonly workers: number;
  readonly items: number;
  readonly seconds: number;
  /** The largest resident memory of one worker. */
  readonly megabytes: number;
  readonly databaseMegabytes: number;
}

/** Prints the table, and returns the exponents from the second number of items to the last one. */
export async function measureGrowth(): Promise<Row[]> {
  await using postgres = await TestPostgres.start();
  await using server = await openScriptedWebDriver();
  const all: Measured[] = [];
  for (const items of ITEMS)
    for (const workers of WORKERS) all.push(await measure({ workers, items }, { postgres, server }));
  console.table(all.map((one) => ({ ...one, seconds: one.seconds.toFixed(1) })));
  const exponents = (key: 'seconds' | 'megabytes' | 'databaseMegabytes') =>
    WORKERS.map((workers) => {
      const [, medium, large] = all.filter((one) => one.workers === workers);
      if (medium === undefined || large === undefined) return Number.NaN;
      return Math.log(large[key] / medium[key]) / Math.log(large.items / medium.items);
    });
  return [
    toRow('time', exponents('seconds'), EXPONENT_GOAL),
    toRow('database', exponents('databaseMegabytes'), EXPONENT_GOAL),
    toRow('memory of a worker', exponents('megabytes'), MEMORY_GOAL),
  ];
}

function toRow(name: string, exponents: readonly number[], goal: number): Row {
  return {
    what: `growth: exponent of the ${name}, ${ITEMS.slice(1).join(' to ')} items, for ${WORKERS.join(', ')} workers`,
    measured: exponents.map((one) => one.toFixed(2)).join(', '),
    goal: `≤ ${goal}`,
    isMet: exponents.every((one) => one <= goal),
  };
}

/** The time is that from the first shard's begin to the last one's end, so that the start of the programs does not count. */
async function measure(
  { workers, items }: Pick<Measured, 'workers' | 'items'>,
  { postgres, server }: { readonly postgres: TestPostgres; readonly server: ScriptedWebDriver },
): Promise<Measured> {
  const url = await postgres.createDatabase();
  await using registry = await openRegistry(url);
  const parentId = await (async () => {
    await using queue = await openQueue(url, 'This needs', { log: silentLog });
    const options = { registry, queue, target: ACTION_FILE, count: items / ITEMS_PER_SHARD };
    return (await enqueue(action, { length: ITEMS_PER_SHARD }, options)).parentId;
  })();
  const emptyBytes = await sizeOf(url);
  const programs = Array.from({ length: workers }, () => startWorker(url, server.url));
  try {
    let run = await registry.runs.get(parentId);
    while (run?.endedAt === null) {
      await pause(POLL_MS);
      run = await registry.runs.get(parentId);
    }
    const { startedAt = null, endedAt = null, records = 0 } = run ?? {};
    if (records !== items) throw new Error(`${records} records instead of ${items} are stored.`);
    const peaks = await Promise.all(programs.map(({ pid = 0 }) => readPeakMegabytes(pid)));
    return {
      workers,
      items,
      seconds: (Date.parse(endedAt ?? '') - Date.parse(startedAt ?? '')) / 1_000,
      megabytes: Math.max(...peaks),
      databaseMegabytes: Math.round(((await sizeOf(url)) - emptyBytes) / 1e5) / 10,
    };
  } finally {
    await Promise.all(programs.map(endWorker));
  }
}

async function sizeOf(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ bytes: string }>('select pg_database_size(current_database()) as bytes');
    return Number(rows[0]?.bytes);
  } finally {
    await client.end();
  }
}

/** Reads `VmHWM`, the peak of the resident memory, proc(5). */
async function readPeakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_000);
}
