import { expect } from 'chai';

import { count } from '../../src/registry/log/counters.ts';
import { openRegistry } from '../../src/registry/registry.ts';
import { Database } from '../../src/registry/sql/database.ts';
import { postgresDialect } from '../../src/registry/sql/postgres.ts';
import { openCommitCutter } from '../support/commit-cutter.ts';
import { TestPostgres } from '../support/postgres.ts';
import { rawSql } from '../support/raw-sql.ts';
import { listStored, numbers, openRun } from '../support/opened-run.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const STEPS = 200;

describe('A registry in PostgreSQL', () => {
  it('stores everything once and reports no error if its server is restarted while a run works', async () => {
    await using postgres = await TestPostgres.start();
    await using run = await openRun(await postgres.createDatabase());
    for (let order = 0; order < STEPS; order += 1) {
      const ending = run.endStep(order);
      if (order % 60 === 30) {
        await postgres.stop();
        await postgres.start();
      }
      await ending;
    }
    expect(await listStored(run)).to.deep.equal({ steps: numbers(STEPS), records: numbers(STEPS) });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);

  it('does not repeat a commit whose answer was lost', async () => {
    await using postgres = await TestPostgres.start();
    const url = new URL(await postgres.createDatabase());
    await using proxy = await openCommitCutter(postgres.port);
    url.port = String(proxy.port);
    await using run = await openRun(url.href);
    const { registry, store } = run;
    await run.endStep(0);
    const { commitNumber } = (await registry.runs.get('run'))!;
    proxy.cutNextCommit();
    await run.endStep(1);
    expect(proxy.cuts).to.equal(1);
    expect(await registry.runs.get('run')).to.include({ commitNumber: commitNumber + 1, records: 2 });
    expect(store.recordCount).to.equal(2);
    for (let order = 2; order < STEPS; order += 1) await run.endStep(order);
    expect(await listStored(run)).to.deep.equal({ steps: numbers(STEPS), records: numbers(STEPS) });
    proxy.cutNextCommit();
    await store.finish({ status: 'completed', error: null, outputs: {} });
    expect(proxy.cuts).to.equal(2);
    expect(await registry.runs.get('run')).to.include({ status: 'completed', token: null, records: STEPS });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);

  it('returns the result of any other change whose answer was lost, with one event and one count', async () => {
    await using postgres = await TestPostgres.start();
    const url = new URL(await postgres.createDatabase());
    await using proxy = await openCommitCutter(postgres.port);
    const direct = url.href;
    url.port = String(proxy.port);
    await using registry = await openRegistry(url.href);
    const { leases, runs, metrics, events } = registry;
    const cut = async <Value>(change: () => Promise<Value>): Promise<Value> => {
      const { cuts } = proxy;
      proxy.cutNextCommit();
      const value = await change();
      expect(proxy.cuts).to.equal(cuts + 1);
      return value;
    };
    const claim = { owner: 'ann', holder: 'me', process: PROCESS, leaseMs: 60_000 };
    expect(await cut(() => leases.claim({ ...claim, id: 'a' }))).to.include({ isClaimed: true });
    const facts = { webdriverId: 'w', driverPid: 1, browserPid: 2, folder: undefined, endpoint: undefined };
    expect(await cut(() => leases.activate('a', 'me', facts))).to.include({ status: 'active' });
    const death = { cause: 'frozen', detectedBy: 'heartbeat', cancelled: { queued: 3 } };
    expect(await cut(() => leases.succeed('a', 'me', { death, nextId: 'b' }))).to.include({ id: 'b', epoch: 2 });
    expect(await cut(() => leases.activate('b', 'me', facts))).to.include({ status: 'active' });
    expect(await cut(() => leases.revoke('b', { status: 'ended', message: 'by a person' }))).to.include({ id: 'b' });
    await leases.claim({ ...claim, id: 'c' });
    await cut(() => leases.release('c', 'me', { status: 'dead', death }));
    await cut(() => runs.create({ id: 'run', action: 'test', params: {}, owner: 'ann' }));
    expect(await cut(() => runs.begin('run', { token: 1, process: PROCESS }))).to.include({ status: 'processing' });
    expect(await cut(() => runs.requestCancel('run'))).to.equal('requested');
    await runs.create({ id: 'other', action: 'test', params: {}, owner: 'ann' });
    expect(await cut(() => runs.requestCancel('other'))).to.equal('cancelled');
    expect(await cut(() => runs.remove('other'))).to.equal(true);
    await cut(() => metrics.count('sessions_reused', { by: 5 }));
    await cut(() => events.append({ type: 'session_warning', message: 'once' }));
    const rows = await rawSql(direct, 'select type, count(*)::int as number from events group by type order by type');
    expect(Object.fromEntries(rows.map(({ type, number }) => [type, number]))).to.deep.equal({
      run_cancel_requested: 1,
      run_ended: 1,
      run_removed: 1,
      run_started: 1,
      session_dead: 2,
      session_ended: 1,
      session_started: 2,
      session_starting: 2,
      session_warning: 1,
    });
    const counted = await rawSql(
      direct,
      `select name, sum(value)::int as value from counters
      where name in ('sessions_created', 'session_deaths', 'work_cancelled', 'sessions_reused') group by name order by name`,
    );
    expect(Object.fromEntries(counted.map(({ name, value }) => [name, value]))).to.deep.equal({
      session_deaths: 2,
      sessions_created: 2,
      sessions_reused: 5,
      work_cancelled: 6,
    });
  }).timeout(60_000);

  it('accepts claims within 5 s although another client is silent in a transaction', async () => {
    await using postgres = await TestPostgres.start();
    const url = await postgres.createDatabase();
    await using registry = await openRegistry(url);
    const claim = (id: string) =>
      registry.leases.claim({ id, owner: id, holder: 'me', process: PROCESS, leaseMs: 60_000 });
    await claim('first');
    // A program that is suspended in the middle of a transaction that counts.
    const silent = await Database.open(postgresDialect(url));
    const held = Promise.withResolvers<void>();
    const woken = Promise.withResolvers<void>();
    const suspended = silent.write(async (transaction) => {
      await count(transaction, 'sessions_reused');
      held.resolve();
      await woken.promise;
    });
    await held.promise;
    const startedAt = performance.now();
    await claim('second');
    await registry.metrics.count('sessions_reused');
    expect(performance.now() - startedAt).to.be.lessThan(5_000);
    woken.resolve();
    await suspended;
    await silent.close();
    const [counter] = await rawSql(url, `select value::int from counters where name = 'sessions_reused'`);
    expect(counter).to.deep.equal({ value: 2 });
  }).timeout(60_000);
});
