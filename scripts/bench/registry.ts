/** Measures the registry: steps per second beside plain inserts with the same driver, and the main job with and without a registry. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { Pool } from 'pg';
import { defineAction, z } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import {
  MEMORY_REGISTRY_URL,
  openRegistry,
  type RecordEntry,
  type Registry,
  type RunStore,
} from '../../src/registry/registry.ts';
import { prepareRun } from '../../src/runs/runs.ts';
import { TestPostgres } from '../../test/support/postgres.ts';
import { JOB_ROUNDS, JOB_STEPS, openJobShop, timeMainJob } from './main-job.ts';
import { inTurns, ms, toSample, type Row } from './measure.ts';
import { openStore } from './run-store.ts';

const STEPS = 2_000;
const ROUNDS = 5;
const AT_A_TIME = 20;
const REPLAYED = 50_000;
const VALUE = JSON.stringify({ sku: 'A-1', title: 'a title of usual length', price: 12.5 });

/** Inserts one row, like that of a step, in its own transaction. */
type Insert = (id: string) => Promise<unknown> | void;

export async function measureRegistries(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-registry-'));
  await using postgres = await TestPostgres.start();
  try {
    const file = path.join(folder, 'plain.db');
    using plain = new DatabaseSync(file);
    plain.exec('pragma journal_mode = wal; pragma synchronous = normal');
    plain.exec('create table plain (id text primary key, value text)');
    const statement = plain.prepare('insert into plain values (?, ?)');
    const sqlite = await measureSteps('SQLite', `sqlite:${path.join(folder, 'registry.db')}`, (id) => {
      statement.run(id, VALUE);
    });
    const pool = new Pool({ connectionString: await postgres.createDatabase(), max: AT_A_TIME });
    await pool.query('create table plain (id text primary key, value text)');
    const query = { name: 'insert', text: 'insert into plain values ($1, $2)' };
    const onPostgres = await measureSteps('PostgreSQL', await postgres.createDatabase(), (id) =>
      pool.query({ ...query, values: [id, VALUE] }),
    );
    await pool.end();
    return [...sqlite, ...onPostgres];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureSteps(name: string, url: string, insert: Insert): Promise<Row[]> {
  await using registry = await openRegistry(url);
  const rows: Row[] = [];
  let order = 0;
  for (const atATime of [1, AT_A_TIME]) {
    const id = `bench-${atATime}`;
    const store = await openStore(registry, id);
    const step = (key: string) =>
      store.endStep({ batch: null, key }, { status: 'done', value: VALUE, records: [record(key)] }, order++);
    const samples = await inTurns(
      {
        plain: () => manyAtOnce(atATime, (number) => insert(`${id}-${number}-${Math.random()}`)),
        stored: () => manyAtOnce(atATime, (number) => step(`${number}-${Math.random()}`)),
      },
      ROUNDS,
    );
    await store.close();
    const perSecond = (elapsedMs: number) => Math.round((STEPS * 1_000) / elapsedMs).toLocaleString('en');
    const ratio = samples.plain.median / samples.stored.median;
    rows.push({
      what: `steps with a record each, stored per second on ${name}, ${atATime} at a time / one plain insert each`,
      measured: `${ratio.toFixed(2)} (${perSecond(samples.stored.median)} / ${perSecond(samples.plain.median)})`,
      goal: 'none, for comparison',
      isMet: true,
    });
  }
  return rows;
}

function record(key: string): RecordEntry {
  return { dataset: 'records', key, json: VALUE };
}

async function manyAtOnce(atATime: number, one: (number: number) => Promise<unknown> | void): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < STEPS) await one(next++);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

/**
 * Measures the work of `gather-catalog`, without the start of the browser, with a registry in a file and with a store that stores nothing.
 */
export async function measureMainJob(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-job-'));
  await using shop = await openJobShop();
  await using stored = await openRegistry(`sqlite:${path.join(folder, 'registry.db')}`);
  await using memory = await openRegistry(MEMORY_REGISTRY_URL);
  const values = { with: [] as number[], without: [] as number[] };
  const job = (list: number[], registry: Registry) => async () =>
    void list.push(await timeMainJob(registry, { url: shop.url }));
  try {
    await inTurns(
      { with: job(values.with, stored), without: job(values.without, makeEmptyRegistry(memory)) },
      JOB_ROUNDS,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  const ratio = toSample(values.with).median / toSample(values.without).median;
  const perStep = ((toSample(values.with).median - toSample(values.without).median) * 1_000) / JOB_STEPS;
  return [
    {
      what: 'the main job with a registry (SQLite) / with a store that stores nothing',
      measured: `${ratio.toFixed(3)} (${perStep.toFixed(0)} µs more per step, ${values.with.length} times)`,
      goal: '≤ 1.05',
      isMet: ratio <= 1.05,
    },
  ];
}

/** Measures the resume of a run with many finished steps: the time from its session to its first step that is not done. */
export async function measureReplay(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-replay-'));
  await using server = await openScriptedWebDriver();
  await using registry = await openRegistry(`sqlite:${path.join(folder, 'registry.db')}`);
  const items = Array.from({ length: REPLAYED + 1 }, (_unused, index) => String(index));
  const stop = new AbortController();
  let sessionAt = 0;
  let lastAt = 0;
  const action = defineAction({
    name: 'bench-replay',
    description: 'Many small steps.',
    params: z.object({}),
    run: async ({ batch }) => {
      const work = (item: string, { signal }: { signal: AbortSignal }) => {
        if (item !== items.at(-1)) return { item };
        if (!stop.signal.aborted) stop.abort();
        else lastAt = performance.now();
        signal.throwIfAborted();
        return { item };
      };
      await batch('many', items, work, { key: (item) => item, concurrency: AT_A_TIME });
    },
  });
  const options = { registry, output: false as const, supervisor: { gridUrl: server.url } };
  try {
    const first = await (await prepareRun(action, {}, { ...options, signal: stop.signal })).execute();
    const onSession = () => (sessionAt = performance.now());
    const resumed = await prepareRun(action, {}, { ...options, resume: first.runId, onSession });
    const { status, counts } = await resumed.execute();
    if (status !== 'completed' || counts.done !== items.length) throw new Error(`the replay was ${status}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const replayMs = lastAt - sessionAt;
  return [
    {
      what: `a run with ${REPLAYED.toLocaleString('en')} finished steps is resumed: session → first new step`,
      measured: ms(replayMs),
      goal: '≤ 1 s',
      isMet: replayMs <= 1_000,
    },
  ];
}

/** Returns a registry whose runs store only a count, which shows the cost of a run without a registry. */
function makeEmptyRegistry(registry: Registry): Registry {
  const runs: Registry['runs'] = Object.create(registry.runs, {
    get: { value: (id: string) => registry.runs.get(id) },
    create: { value: (given: Parameters<Registry['runs']['create']>[0]) => registry.runs.create(given) },
    begin: { value: (...given: Parameters<Registry['runs']['begin']>) => registry.runs.begin(...given) },
    openStore: { value: () => makeEmptyStore() },
  }) as Registry['runs'];
  return { ...registry, runs };
}

function makeEmptyStore(): RunStore {
  let recordCount = 0;
  return {
    get recordCount() {
      return recordCount;
    },
    declareSteps: () => undefined,
    beginStep: async () => undefined,
    noteEffect: async () => undefined,
    findReplaced: async () => [],
    endStep: async (_id, end) => {
      if (end.status === 'done') recordCount += end.records.length;
      return [];
    },
    saveRecord: async () => void (recordCount += 1),
    noteProgress: () => undefined,
    loadSteps: nothing,
    loadSaves: nothing,
    listRecords: nothing,
    prove: async () => undefined,
    finish: async () => undefined,
    close: async () => undefined,
  };
}

async function* nothing(): AsyncGenerator<never> {
  // Nothing was stored.
}
