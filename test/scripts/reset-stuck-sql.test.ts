import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import { expect } from 'chai';
import { Client } from 'pg';

import type { StoredSession } from '../../src/model/session.ts';
import { openRegistry, type Registry, type RunStore } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { literal, rawSql, type RawRow } from '../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres, describeOnPostgres, type TestRegistries } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const FACTS = { webdriverId: 'w', driverPid: 2, browserPid: 3, folder: '/tmp/x', endpoint: undefined };
const TABLES = ['sessions', 'runs', 'steps', 'records', 'events', 'counters'];

describeOnSqliteAndInFullOnPostgres('reset-stuck in SQL', (registries) => {
  const { kind } = registries;
  const script = readScript(kind);
  let url: string;
  let registry: Registry;

  beforeEach(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  afterEach(() => registry.close());

  it('ends a run without progress and its session as timed out, and leaves a run with progress (R202)', async () => {
    await beginRun(registry, 'stuck');
    await beginRun(registry, 'going');
    await ageRun(url, 'stuck', 31);
    await ageRun(url, 'going', 29);
    await execute(url, script);
    expect(await statuses(url)).to.deep.equal({
      'run stuck': 'timed_out',
      'session of stuck': 'timed_out',
      'run going': 'processing',
      'session of going': 'active',
    });
  });

  it('allows a large run more time, by its total or its displayed total, and at most three times as much (R202)', async () => {
    const runs = [
      ['within', { total: 1_000, minutes: 59 }],
      ['beyond', { total: 1_000, minutes: 61 }],
      ['huge within', { total: 1_000_000, minutes: 89 }],
      ['huge beyond', { total: 1_000_000, minutes: 91 }],
      ['shown', { total: 9, minutes: 59, shown: 1_000 }],
    ] as const;
    for (const [id, { total, minutes, ...rest }] of runs) {
      await beginRun(registry, id, { total });
      if ('shown' in rest) await registry.runs.setProgress(id, { done: 1, total: rest.shown });
      await ageRun(url, id, minutes);
    }
    await execute(url, script);
    const ended = await registry.runs.list({ status: 'timed_out' });
    expect(ended.map(({ id }) => id)).to.have.members(['beyond', 'huge beyond']);
  });

  it('measures from the start of a run that never made progress', async () => {
    await beginRun(registry, 'stuck');
    await rawSql(url, `update runs set last_progress_at = null, started_at = ${literal(minutesAgo(31))}`);
    await execute(url, script);
    expect((await registry.runs.get('stuck'))?.status).to.equal('timed_out');
  });

  it('ends only live sessions that belong to no run and received no command (R202)', async () => {
    await openSession(registry, 'unused');
    await registry.leases.claim(makeClaim('starting'));
    await openSession(registry, 'used');
    await beginRun(registry, 'long step', { total: 1_000 });
    const over = await openSession(registry, 'over');
    await registry.leases.release(over.id, 'me', { status: 'ended' });
    await rawSql(url, `update sessions set last_used_at = ${literal(minutesAgo(31))} where owner <> 'used'`);
    await execute(url, script);
    expect(await statuses(url)).to.deep.equal({
      'session of unused': 'timed_out',
      'session of starting': 'timed_out',
      'session of used': 'active',
      'session of over': 'ended',
      'run long step': 'processing',
      'session of long step': 'active',
    });
  });

  it('finds the session of a run even if an earlier run started it', async () => {
    const { token } = await beginRun(registry, 'first');
    await registry.runs.setStatus('first', 'completed');
    await rawSql(url, `update runs set status = 'completed', token = null`);
    await createRun(registry, 'second', token);
    await rawSql(url, `update sessions set last_used_at = ${literal(minutesAgo(31))}`);
    await execute(url, script);
    expect(await statuses(url)).to.include({ 'run second': 'processing', 'session of first': 'active' });
    await ageRun(url, 'second', 31);
    await execute(url, script);
    expect(await statuses(url)).to.deep.equal({
      'run first': 'completed',
      'run second': 'timed_out',
      'session of first': 'timed_out',
    });
  });

  it('ends the sessions of all slots of a run, and frees their owners', async () => {
    await beginRun(registry, 'stuck');
    await openSession(registry, 'stuck#2', 'stuck');
    await ageRun(url, 'stuck', 31);
    await execute(url, script);
    expect(await registry.sessions.countByStatus()).to.deep.equal({ timed_out: 2 });
    expect((await registry.leases.claim(makeClaim('stuck#2', { id: 'next' }))).isClaimed).to.equal(true);
  });

  it('writes the same rows and events as the program when it ends a session as timed out', async () => {
    const revoked = await beginRun(registry, 'ended by the program');
    await beginRun(registry, 'ended by the script');
    await ageRun(url, 'ended by the script', 31);
    await execute(url, script);
    await registry.leases.revoke(revoked.id, { status: 'timed_out', message: 'no progress for 31 min; reset by hand' });
    expect(await traceOf(url, 'ended by the script')).to.deep.equal(await traceOf(url, 'ended by the program'));
  });

  it('preserves steps and records, with counts that add up (R203)', async () => {
    await beginRun(registry, 'stuck', { total: 9 });
    await ageRun(url, 'stuck', 31);
    const before = await dump(url, ['steps', 'records']);
    await execute(url, script);
    expect((await registry.runs.get('stuck'))?.counts).to.deep.equal({
      total: 9,
      queued: 0,
      running: 0,
      done: 2,
      failed: 1,
      cancelled: 5,
      skipped: 1,
    });
    expect(await dump(url, ['steps', 'records'])).to.deep.equal(before);
    expect(before['records']).to.have.length(1);
    expect(before['steps']).to.have.length(1);
  });

  it('leaves a run that can be resumed under a new session (R203)', async () => {
    await beginRun(registry, 'stuck');
    await ageRun(url, 'stuck', 31);
    await execute(url, script);
    const { token } = await openSession(registry, 'stuck', 'stuck', 'next');
    const run = await registry.runs.begin('stuck', { token, process: PROCESS });
    expect(run).to.deep.include({ status: 'processing', token, records: 1, error: null });
    const store = openStore(registry, run, 9);
    await endStep(store, 'b');
    await store.close();
    expect((await registry.runs.get('stuck'))?.records).to.equal(2);
    expect(await eventsOf(url, 'stuck')).to.include('run_resumed');
  });

  it('changes nothing when it is executed again', async () => {
    await beginRun(registry, 'stuck');
    await openSession(registry, 'unused');
    await ageRun(url, 'stuck', 31);
    await rawSql(url, `update sessions set last_used_at = ${literal(minutesAgo(31))}`);
    await execute(url, script);
    const after = await dump(url);
    await execute(url, script);
    expect(await dump(url)).to.deep.equal(after);
  });

  it('can be executed twice on one connection', async () => {
    await beginRun(registry, 'stuck');
    await ageRun(url, 'stuck', 31);
    await execute(url, script + script);
    expect((await registry.runs.get('stuck'))?.status).to.equal('timed_out');
  });

  it('changes nothing in its first part, which shows what is stuck and for how long (R202)', async () => {
    await beginRun(registry, 'stuck', { total: 500 });
    await openSession(registry, 'unused');
    await ageRun(url, 'stuck', 47);
    await rawSql(url, `update sessions set last_used_at = ${literal(minutesAgo(31))} where owner = 'unused'`);
    const before = await dump(url);
    const shown = await execute(url, firstPartOf(script), 'select * from reset_stuck_view order by minutes desc');
    expect(await dump(url)).to.deep.equal(before);
    const facts = shown.map(({ what, session_id, owner, run_id, action }) => [what, session_id, owner, run_id, action]);
    expect(facts).to.deep.equal([
      ['run', 'session of stuck', 'stuck', 'stuck', 'test'],
      ['session', 'session of unused', 'unused', null, null],
    ]);
    const minutes = shown.map((row) => [Math.floor(Number(row['minutes'])), Number(row['allowed_minutes'])]);
    expect(minutes).to.deep.equal([
      [47, 45],
      [31, 30],
    ]);
  });

  it('uses the timeout from the line that the operator edits', async () => {
    await beginRun(registry, 'stuck');
    await ageRun(url, 'stuck', 31);
    await execute(url, script.replace('select 30 as timeout_minutes', 'select 60 as timeout_minutes'));
    expect((await registry.runs.get('stuck'))?.status).to.equal('processing');
    await execute(url, script.replace('select 30 as timeout_minutes', 'select 15 as timeout_minutes'));
    expect((await registry.runs.get('stuck'))?.status).to.equal('timed_out');
  });

  it('resets the other runs if a time in one row is damaged', async () => {
    for (const id of ['stuck', 'damaged']) {
      await beginRun(registry, id);
      await ageRun(url, id, 31);
    }
    await rawSql(url, `update runs set last_progress_at = '2026-13-77T99' where id = 'damaged'`);
    await execute(url, script);
    expect(await statuses(url)).to.include({ 'run stuck': 'timed_out', 'run damaged': 'processing' });
  });

  it('resets nothing if a part of the reset fails', async () => {
    await beginRun(registry, 'stuck');
    await ageRun(url, 'stuck', 31);
    const before = await dump(url);
    await rawSql(url, 'alter table events rename to elsewhere');
    await rejectionOf(execute(url, script));
    await rawSql(url, 'alter table elsewhere rename to events');
    expect(await dump(url)).to.deep.equal(before);
  });

  it('runs in the command-line client of the database, and prints that nothing is stuck any more (R203)', async function () {
    if (!isInstalled(kind === 'sqlite' ? 'sqlite3' : 'psql')) return this.skip();
    await beginRun(registry, 'stuck');
    await ageRun(url, 'stuck', 31);
    const shown = runClient(url, kind, firstPartOf(script));
    expect(shown).to.include({ status: 0, stderr: '' });
    expect(shown.stdout).to.match(/session of stuck.+31\.\d/);
    expect(await registry.runs.count({ status: 'processing' })).to.equal(1);
    const reset = runClient(url, kind, script);
    expect(reset).to.include({ status: 0, stderr: '' });
    expect(reset.stdout)
      .to.match(/still_stuck\s+-+\s+0\s/)
      .and.contain('npm run action -- test --resume stuck');
    expect(await statuses(url)).to.deep.equal({ 'run stuck': 'timed_out', 'session of stuck': 'timed_out' });
  });
});

describeOnPostgres('reset-stuck in SQL, beside a run', (registries) => {
  it('does not end a run that makes progress while the script waits for its row', async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    await beginRun(registry, 'stuck');
    await ageRun(url, 'stuck', 31);
    const working = new Client({ connectionString: url });
    await working.connect();
    try {
      await working.query(`begin; update runs set last_progress_at = ${literal(minutesAgo(0))}`);
      const reset = execute(url, readScript('postgres'));
      await eventually(
        async () => (await rawSql(url, 'select 1 from pg_locks where not granted')).length > 0,
        'the script waits',
      );
      await working.query('commit');
      await reset;
    } finally {
      await working.end();
    }
    expect(await statuses(url)).to.deep.equal({ 'run stuck': 'processing', 'session of stuck': 'active' });
  });
});

function readScript(kind: TestRegistries['kind']): string {
  return readFileSync(`scripts/sql/reset-stuck.${kind}.sql`, 'utf8');
}

/** Returns the first part of the script, which changes nothing. */
function firstPartOf(script: string): string {
  const at = script.search(/^-- Part 2/m);
  expect(at).to.be.greaterThan(0);
  return script.slice(0, at);
}

/** Executes a whole script on a new connection. Then returns the rows of `query` on the same connection. */
async function execute(url: string, script: string, query?: string): Promise<RawRow[]> {
  if (url.startsWith('sqlite:')) {
    using database = new DatabaseSync(url.slice('sqlite:'.length));
    database.exec(script);
    return query === undefined
      ? []
      : database
          .prepare(query)
          .all()
          .map((row) => ({ ...row }));
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(script);
    return query === undefined ? [] : (await client.query<RawRow>(query)).rows;
  } finally {
    await client.end();
  }
}

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

function runClient(url: string, kind: TestRegistries['kind'], input: string) {
  const options = { encoding: 'utf8', input } as const;
  const { status, stdout, stderr } =
    kind === 'sqlite'
      ? spawnSync('sqlite3', ['-bail', '-header', '-column', url.slice('sqlite:'.length)], options)
      : spawnSync('psql', ['-v', 'ON_ERROR_STOP=1', '--no-psqlrc', url], options);
  return { status, stdout, stderr };
}

function makeClaim(owner: string, { runId, id = `session of ${owner}` }: { runId?: string; id?: string } = {}) {
  return { id, owner, holder: 'me', process: PROCESS, leaseMs: 60_000, runId };
}

async function openSession(registry: Registry, owner: string, runId?: string, id?: string): Promise<StoredSession> {
  const claim = makeClaim(owner, { ...(runId !== undefined && { runId }), ...(id !== undefined && { id }) });
  const answer = await registry.leases.claim(claim);
  expect(answer.isClaimed).to.equal(true);
  return registry.leases.activate(claim.id, 'me', FACTS);
}

/** Begins a run under its own session. Two steps count as done, of which one is stored, with a record. */
async function beginRun(registry: Registry, id: string, { total = 9 } = {}): Promise<StoredSession> {
  const session = await openSession(registry, id, id);
  await createRun(registry, id, session.token, total);
  return session;
}

async function createRun(registry: Registry, id: string, token: number, total = 9): Promise<void> {
  await registry.runs.create({ id, action: 'test', params: {}, owner: id });
  const run = await registry.runs.begin(id, { token, process: PROCESS });
  const store = openStore(registry, run, total);
  await endStep(store, 'a');
  await store.close();
}

function openStore(registry: Registry, run: Awaited<ReturnType<Registry['runs']['begin']>>, total: number): RunStore {
  const counts = { total, queued: total - 6, running: 2, done: 2, failed: 1, cancelled: 0, skipped: 1 };
  return registry.runs.openStore(run, {
    token: run.token ?? 0,
    snapshot: () => ({ counts, display: null, sessions: 1, deaths: [], durationMs: 0, reused: 0, contextLosses: 0 }),
    onFailure: () => undefined,
    onCancel: () => undefined,
  });
}

async function endStep(store: RunStore, key: string): Promise<void> {
  const records = [{ dataset: 'records', key, json: '{}' }];
  await store.endStep({ batch: null, key }, { status: 'done', value: '1', records }, 0);
}

function minutesAgo(minutes: number): string {
  return new Date(Date.now() - minutes * 60_000).toISOString();
}

async function ageRun(url: string, id: string, minutes: number): Promise<void> {
  const then = literal(minutesAgo(minutes));
  await rawSql(url, `update runs set last_progress_at = ${then} where id = ${literal(id)}`);
}

/** Returns the statuses of all runs by their id, and of all sessions by their owner. */
async function statuses(url: string): Promise<RawRow> {
  const runs = `select 'run ' || id as name, status from runs`;
  const rows = await rawSql(url, `${runs} union all select 'session of ' || owner, status from sessions`);
  return Object.fromEntries(rows.map(({ name, status }) => [name, status]));
}

async function eventsOf(url: string, runId: string): Promise<unknown[]> {
  const rows = await rawSql(url, `select type from events where run_id = ${literal(runId)} order by id`);
  return rows.map(({ type }) => type);
}

async function dump(url: string, tables = TABLES): Promise<Record<string, RawRow[]>> {
  const entries: [string, RawRow[]][] = [];
  for (const table of tables) {
    const rows = await rawSql(url, `select * from ${table}`);
    entries.push([
      table,
      rows.map((row) => ({ ...row })).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    ]);
  }
  return Object.fromEntries(entries);
}

/** Returns all rows of a run and its session. Names and times are replaced, so that the rows of different runs can be compared. */
async function traceOf(url: string, id: string): Promise<RawRow[]> {
  const tables = ['runs where id', 'sessions where run_id', 'events where run_id'];
  const queries = tables.map((table) => rawSql(url, `select * from ${table} = ${literal(id)} order by id`));
  const toFact = (name: string, value: unknown) => {
    if (/^(id|owner|run_id|session_id|token|last_token|writer|lease_expires_ms)$/.test(name))
      return value === null ? null : 'its own';
    return typeof value === 'string' ? value.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'a time') : value;
  };
  return (await Promise.all(queries))
    .flat()
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, toFact(name, value)])));
}
