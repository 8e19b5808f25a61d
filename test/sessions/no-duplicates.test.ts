import { expect } from 'chai';

import { Database } from '../../src/registry/sql/database.ts';
import { postgresDialect } from '../../src/registry/sql/postgres.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { sqliteDialect } from '../../src/registry/sql/sqlite.ts';
import { insertSession, rawSql } from '../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';
import { runScripted } from '../support/scripted-run.ts';
import { die, QUIET, Stage } from './support/managers.ts';

/** The nine tests that R308 lists. */
describeOnSqliteAndInFullOnPostgres('No duplicate sessions (R308)', (registries) => {
  let url: string;
  let stage: Stage;
  let registry: Registry;

  beforeEach(async () => {
    url = await registries.url();
    stage = await Stage.open(url);
    registry = await openRegistry(url);
  });

  afterEach(async () => {
    await registry.close();
    await stage[Symbol.asyncDispose]();
  });

  const run = (owner: string, work: Parameters<typeof runScripted>[0]['run'], options = {}) =>
    runScripted({ run: work, server: stage.server, options: { registry, owner, ...options } });

  it('1: no duplicate on concurrent creates', async () => {
    const managers = await Promise.all([stage.manager({ supervisor: QUIET }), stage.manager({ supervisor: QUIET })]);
    const callers = Array.from({ length: 20 }, (_unused, index) =>
      managers[index % 2]!.manager.acquire('ann', { waitMs: 0 }),
    );
    const answers = await Promise.allSettled(callers);
    const ids = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.sessionId] : []));
    expect(ids).to.have.length(10);
    expect(new Set(ids).size).to.equal(1);
    expect(stage.starts).to.equal(1);
    expect((await registry.metrics.read()).duplicateOwners).to.deep.equal([]);
  });

  it('2: concurrent create-or-reset creates one new session, whose token is higher', async () => {
    const owner = { owner: 'ann', holder: 'me', process: { host: 'here', pid: 1, identity: '' } };
    const old = await registry.leases.claim({ ...owner, id: 'old', leaseMs: 60_000 });
    const claims = Array.from({ length: 10 }, (_unused, index) =>
      registry.leases.claim({ ...owner, id: `${index}`, holder: `${index}`, leaseMs: 60_000, goneIds: ['old'] }),
    );
    const won = (await Promise.all(claims)).filter(({ isClaimed }) => isClaimed);
    expect(won).to.have.length(1);
    const [row, ...others] = await registry.sessions.list({ owner: 'ann', status: ['starting', 'active'] });
    expect(others).to.deep.equal([]);
    expect(row!.token).to.be.greaterThan(old.isClaimed ? old.session.token : Infinity);
    expect(await registry.sessions.get('old')).to.include({ status: 'expired' });
  });

  it('3: a healthy run reuses the session that was passed down for at least 95 % of its work', async () => {
    const items = Array.from({ length: 60 }, (_unused, index) => index);
    await run('ann', async ({ batch }, { entry, die: kill }) => {
      await batch('b', items, (item) => item, { key: String });
      if (entry === 1) await kill();
    });
    const { reuseRatio, sessionsReused, sessionsCreated } = await registry.metrics.read();
    expect(sessionsReused).to.equal(60);
    expect(sessionsCreated).to.deep.equal({ ann: 2 });
    expect(reuseRatio).to.be.at.least(0.95);
  });

  it('4: rapid creates are noticed, and a restart after a death does not count as one', async () => {
    const { manager, lines } = await stage.manager({ supervisor: QUIET });
    const first = await manager.acquire('ann');
    await die(stage.server, first);
    await first.restart();
    expect((await registry.metrics.read()).rapidCreates).to.equal(0);
    await first.end();
    await manager.acquire('ann');
    expect((await registry.metrics.read()).rapidCreates).to.equal(1);
    expect(lines.filter(({ message }) => /quick succession/.test(message))).to.have.length(1);
  });

  it('5: the session is handed through, and looked up once per run', async () => {
    const seen = new Set<string>();
    const claim = registry.leases.claim.bind(registry.leases);
    let lookUps = 0;
    registry.leases.claim = (given) => ((lookUps += 1), claim(given));
    await run('ann', async ({ step, batch, session, driver }) => {
      for (const key of ['a', 'b']) await step(key, async () => void seen.add((await driver.getSession()).getId()));
      await batch('c', [1, 2, 3], async () => void seen.add(session.id), { key: String });
    });
    expect(seen.size).to.equal(1);
    expect(lookUps).to.equal(1);
    expect((await registry.metrics.read()).contextLosses).to.equal(0);
  });

  it('5b: work that finds another session than the one it began with is counted', async () => {
    await run('ann', async ({ step }, { supervisors }) => {
      await step('a', () => supervisors[0]!.restart());
    });
    expect((await registry.metrics.read()).contextLosses).to.equal(1);
  });

  it('6: counters begin at zero for a new task', async () => {
    await run('ann', async ({ step }) => void (await step('a', () => 1)));
    let atBegin: unknown;
    const { outcome } = await run('ann', async ({ step, runId }) => {
      atBegin = (await registry.runs.get(runId))?.counts;
      await step('a', () => 1);
    });
    expect(atBegin).to.deep.equal({ total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 });
    expect(outcome.counts).to.include({ total: 1, done: 1 });
  });

  it('7: no orphan after an error while creating: neither a row that holds the owner nor a session', async () => {
    const { manager } = await stage.manager();
    stage.server.refuse();
    await rejectionOf(manager.acquire('ann'));
    stage.server.restore();
    expect(await registry.sessions.list({ status: ['starting', 'active'] })).to.deep.equal([]);
    expect(stage.server.sessionIds).to.deep.equal([]);
    expect((await manager.acquire('ann')).supervisor.state).to.equal('alive');
  });

  it('8: the summary of metrics has its shape', async () => {
    const metrics = await registry.metrics.read();
    expect(metrics).to.have.all.keys(
      'sessionsCreated',
      'sessionsReused',
      'reuseRatio',
      'rapidCreates',
      'contextLosses',
      'duplicateOwners',
      'deaths',
      'workCancelled',
      'sessionsByStatus',
      'runsByStatus',
      'averageSessionSeconds',
      'cleanups',
      'stepsByStatus',
      'deathDetection',
      'recovery',
      'registryBytes',
    );
    expect(metrics).to.include({ sessionsReused: 0, reuseRatio: null, rapidCreates: 0, contextLosses: 0 });
    expect(metrics.registryBytes).to.be.greaterThan(0);
  });

  it('9: the migration ends older duplicates and leaves the newest', async () => {
    const older = await registries.url();
    const dialect =
      registries.kind === 'sqlite' ? sqliteDialect(older.slice('sqlite:'.length)) : postgresDialect(older);
    await (await Database.open(dialect, { upTo: '001_tables' })).close();
    for (const second of [1, 2, 3])
      await rawSql(
        older,
        insertSession({ id: `${second}`, owner: 'ann', created_at: `2026-01-01T00:00:0${second}.000Z` }),
      );
    await using migrated = await openRegistry(older);
    const rows = await migrated.sessions.list({ owner: 'ann' });
    expect(rows.map(({ id, status }) => [id, status])).to.deep.equal([
      ['3', 'active'],
      ['2', 'ended'],
      ['1', 'ended'],
    ]);
  });
});
