/**
 * Measures the upkeep: the clean-up of very many old sessions beside a run that continues its work, the removal of a large run, and the
 * reset of stuck sessions.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { Client } from 'pg';
import { delay } from '../../src/core/abort.ts';
import { silentLog } from '../../src/core/log.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { findStuck, resetStuck, SessionCleanup } from '../../src/upkeep/upkeep.ts';
import { TestPostgres } from '../../test/support/postgres.ts';
import { measureStall, ms, timeMs, toSample, type Row, type Stall } from './measure.ts';
import { openStore } from './run-store.ts';

const OLD_ROWS = 100_000;
const STUCK_SESSIONS = 1_000;
const ROUNDS = 3;
/** The pause between two steps, as long as the visit of a quick page. */
const STEP_PAUSE_MS = 5;
const QUIET_STEPS = 100;
const MAX_STALL_MS = 20;
const RESET_GOAL_MS = 100;
const TWO_DAYS_AGO = new Date(Date.now() - 2 * 86_400_000).toISOString();

interface BenchDatabase {
  readonly name: string;
  readonly cleanupGoalMs: number;
  readonly url: () => Promise<string>;
}

export async function measureUpkeep(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-upkeep-'));
  await using postgres = await TestPostgres.start();
  let number = 0;
  const databases: readonly BenchDatabase[] = [
    { name: 'SQLite', cleanupGoalMs: 1_000, url: async () => `sqlite:${path.join(folder, `${(number += 1)}.db`)}` },
    { name: 'PostgreSQL', cleanupGoalMs: 2_000, url: () => postgres.createDatabase() },
  ];
  try {
    const rows: Row[] = [];
    for (const database of databases)
      rows.push(...(await measureCleanup(database)), await measureRunRemoval(database), await measureReset(database));
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureCleanup({ name, cleanupGoalMs, url }: BenchDatabase): Promise<Row[]> {
  const cleanups: number[] = [];
  const plain: number[] = [];
  const stalls: Stall[] = [];
  const quiet: number[] = [];
  const beside: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const registryUrl = await url();
    await using registry = await openRegistry(registryUrl);
    await using work = await beginWork(registry);
    quiet.push(await work.steps(QUIET_STEPS));
    await execute(registryUrl, insertOld());
    plain.push(await timeMs(() => execute(registryUrl, `delete from sessions where status = 'ended'`)));
    await execute(registryUrl, insertOld());
    // PostgreSQL's autovacuum does the same within a minute after so many inserts.
    await execute(registryUrl, 'analyze');
    const stall = await measureStall(async () => {
      const stepping = work.untilStopped();
      // Each round of the monitor ends with this query. Here it runs while all rows exist.
      await registry.sessions.listGroups();
      cleanups.push(await timeMs(async () => void (await makeCleanup(registry).byPolicy())));
      beside.push(await stepping.stop());
    });
    stalls.push(stall);
  }
  const cleanup = toSample(cleanups).median;
  const stall = toLongest(stalls);
  const slower = toSample(beside).median / toSample(quiet).median;
  return [
    {
      what: `${OLD_ROWS.toLocaleString('en')} old sessions cleaned on ${name}, in batches beside a working run / by one plain statement`,
      measured: `${ms(cleanup)}, ${describeStall(stall)} (plain: ${ms(toSample(plain).median)})`,
      goal: `≤ ${ms(cleanupGoalMs)}, no stall over ${MAX_STALL_MS} ms`,
      isMet: cleanup <= cleanupGoalMs && stall.ownMs <= MAX_STALL_MS,
    },
    {
      what: `a step of that run on ${name} during the clean-up / before it`,
      measured: `${slower.toFixed(2)} (${ms(toSample(beside).median)} / ${ms(toSample(quiet).median)})`,
      goal: 'none, for comparison',
      isMet: true,
    },
  ];
}

function toLongest(stalls: readonly Stall[]): Stall {
  return {
    longestMs: Math.max(...stalls.map(({ longestMs }) => longestMs)),
    ownMs: Math.max(...stalls.map(({ ownMs }) => ownMs)),
  };
}

function describeStall({ longestMs, ownMs }: Stall): string {
  return `longest stall ${ms(longestMs)}, by our own work ${ms(ownMs)}`;
}

async function measureRunRemoval({ name, url }: BenchDatabase): Promise<Row> {
  const registryUrl = await url();
  await using registry = await openRegistry(registryUrl);
  const times: number[] = [];
  const plain: number[] = [];
  const stalls: Stall[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ids = [`removed-${round}`, `plain-${round}`] as const;
    for (const id of ids) {
      await registry.runs.create({ id, action: 'bench', params: {}, owner: id });
      await execute(registryUrl, insertSteps(id));
      await execute(registryUrl, insertRecords(id));
    }
    await execute(registryUrl, 'analyze');
    stalls.push(
      await measureStall(async () => void times.push(await timeMs(async () => registry.runs.remove(ids[0])))),
    );
    const statements = ['steps', 'records'].map((table) => `delete from ${table} where run_id = '${ids[1]}'`);
    plain.push(await timeMs(() => execute(registryUrl, `begin; ${statements.join('; ')}; commit`)));
  }
  const stall = toLongest(stalls);
  return {
    what: `a run of ${OLD_ROWS.toLocaleString('en')} steps and records removed on ${name}, in batches / by plain statements`,
    measured: `${ms(toSample(times).median)}, ${describeStall(stall)} (plain: ${ms(toSample(plain).median)})`,
    goal: `no stall over ${MAX_STALL_MS} ms`,
    isMet: stall.ownMs <= MAX_STALL_MS,
  };
}

async function measureReset({ name, url }: BenchDatabase): Promise<Row> {
  const registryUrl = await url();
  await using registry = await openRegistry(registryUrl);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await execute(registryUrl, insertStuck(round));
    times.push(
      await timeMs(async () => {
        const [runs, sessions] = await Promise.all([
          registry.runs.list({ status: 'processing' }),
          registry.sessions.list({ status: ['starting', 'active'] }),
        ]);
        const { stuck } = findStuck({ runs, sessions }, { warningMs: 1, timeoutMs: 60_000 });
        const options = { registry, host: 'here', gridUrl: undefined, heartbeatIntervalMs: 1, log: silentLog };
        const { sessionIds } = await resetStuck(stuck, { ...options, by: 'the benchmark' });
        if (sessionIds.length !== STUCK_SESSIONS) throw new Error(`${sessionIds.length} sessions were reset.`);
      }),
    );
  }
  const median = toSample(times).median;
  return {
    what: `${STUCK_SESSIONS.toLocaleString('en')} stuck sessions found and reset on ${name}`,
    measured: ms(median),
    goal: `≤ ${ms(RESET_GOAL_MS)}`,
    isMet: median <= RESET_GOAL_MS,
  };
}

function makeCleanup(registry: Registry): SessionCleanup {
  return new SessionCleanup({
    reaper: { registry, host: 'bench', gridUrl: undefined, log: silentLog },
    policy: undefined,
    retentionMs: 30 * 86_400_000,
    intervalMs: 60_000,
    batchSize: undefined,
    heartbeatIntervalMs: 5_000,
    endIdle: async () => 0,
    describe: () => {
      throw new Error('The benchmark needs no description.');
    },
    onDone: () => undefined,
  });
}

interface Work extends AsyncDisposable {
  /** Does this number of steps. Returns the median time of one step in milliseconds. */
  steps(number: number): Promise<number>;
  /** Does steps until `stop` is called, which returns the median time of one step in milliseconds. */
  untilStopped(): { stop(): Promise<number> };
}

async function beginWork(registry: Registry): Promise<Work> {
  const store = await openStore(registry, `work-${Math.random()}`);
  let order = 0;
  const step = () =>
    timeMs(async () => {
      const key = `${order}`;
      await store.endStep({ batch: null, key }, { status: 'done', value: undefined, records: [] }, order++);
    });
  return {
    async steps(number) {
      const times: number[] = [];
      for (let index = 0; index < number; index += 1) {
        times.push(await step());
        await delay(STEP_PAUSE_MS);
      }
      return toSample(times).median;
    },
    untilStopped() {
      const stop = new AbortController();
      const times: number[] = [];
      const working = (async () => {
        while (!stop.signal.aborted) {
          times.push(await step());
          await delay(STEP_PAUSE_MS);
        }
      })();
      return {
        async stop() {
          stop.abort();
          await working;
          return toSample(times).median;
        },
      };
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

const COLUMNS =
  'id, owner, status, token, holder, lease_expires_ms, epoch, host, pid, process_identity, created_at, last_used_at, ended_at';

function insertOld(): string {
  return `insert into sessions (${COLUMNS})
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${OLD_ROWS})
    select 'old-' || i, 'owner-' || i, 'ended', 1, 'bench', 0, 1, 'elsewhere', 1, 'x', '${TWO_DAYS_AGO}', '${TWO_DAYS_AGO}', '${TWO_DAYS_AGO}' from n`;
}

function insertSteps(runId: string): string {
  return `insert into steps (run_id, id, key, ord, status)
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${OLD_ROWS})
    select '${runId}', 'step-' || i, 'step-' || i, i, 'done' from n`;
}

function insertRecords(runId: string): string {
  return `insert into records (run_id, id, dataset, key, json, ord, position, saves)
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${OLD_ROWS})
    select '${runId}', 'record-' || i, 'records', 'record-' || i, '{"title":"A page"}', i, 0, 0 from n`;
}

function insertStuck(round: number): string {
  return `insert into sessions (${COLUMNS})
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${STUCK_SESSIONS})
    select 'stuck-${round}-' || i, 'owner-${round}-' || i, 'active', 1, 'bench', 0, 1, 'elsewhere', 1, 'x', '${TWO_DAYS_AGO}', '${TWO_DAYS_AGO}', null from n`;
}

async function execute(url: string, statement: string): Promise<void> {
  if (url.startsWith('sqlite:')) {
    using database = new DatabaseSync(url.slice('sqlite:'.length), { timeout: 5_000 });
    database.exec(statement);
    return;
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
