import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';
import { Client } from 'pg';
import { freeze, unfreeze } from 'webdriver-supervisor/testing';

import { openRegistry, RegistryError } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { TestPostgres } from '../support/postgres.ts';
import { rejectionOf } from '../support/rejection.ts';
import { listStored, numbers, openRun } from '../support/opened-run.ts';

const STEPS = 200;
/** The time within which a failed start must be reported. */
const OPEN_WITHIN_MS = 10_000;

describe('A registry in PostgreSQL during an outage of its server', () => {
  it('makes the run wait for a server that hangs for two seconds, and not the event loop', async () => {
    await using postgres = await TestPostgres.start();
    await using run = await openRun(await postgres.createDatabase());
    await run.endStep(0);
    const frozen = await freeze(postgres.pid, { tree: true });
    expect(frozen.length).to.be.greaterThan(1);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 10);
    const rest = Promise.all(Array.from({ length: STEPS - 1 }, (_unused, index) => run.endStep(index + 1)));
    const resumed = new Promise((resolve) => setTimeout(resolve, 2_000)).then(() =>
      unfreeze(postgres.pid, { tree: true }),
    );
    await Promise.all([rest, resumed]);
    clearInterval(timer);
    expect(turns).to.be.greaterThan(50);
    expect(await listStored(run)).to.deep.equal({ steps: numbers(STEPS), records: numbers(STEPS) });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);

  it('delays writes until the standby is promoted after a failover, and stores them once', async () => {
    await using postgres = await TestPostgres.start();
    await using run = await openRun(await postgres.createDatabase());
    await run.endStep(0);
    await postgres.stop();
    writeFileSync(path.join(postgres.dataFolder, 'standby.signal'), '');
    appendFileSync(path.join(postgres.dataFolder, 'postgresql.conf'), `wal_retrieve_retry_interval = '50ms'\n`);
    // Resolves when the server accepts changes.
    const started = postgres.start();
    const url = postgres.urlOf('postgres');
    const client = await eventually(async () => {
      const candidate = new Client(url);
      candidate.on('error', () => undefined);
      return candidate.connect().then(
        () => candidate,
        () => undefined,
      );
    }, 'a standby that answers');
    const writing = Promise.all(numbers(9).map((number) => run.endStep(number)));
    await eventually(async () => {
      const { rowCount } = await client.query(
        `select 1 from pg_stat_activity where application_name = 'webdriver-supervisor' and query = 'rollback'`,
      );
      return run.failures.length > 0 || rowCount !== 0;
    }, 'a transaction that the standby refuses');
    await client.query('select pg_promote()');
    await client.end();
    await Promise.all([started, writing]);
    expect(await listStored(run)).to.deep.equal({ steps: numbers(9), records: numbers(9) });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);

  it('soon names a server that is unreachable or refuses the password, without the password', async () => {
    await using postgres = await TestPostgres.start();
    const url = new URL(await postgres.createDatabase());
    url.password = 'wrong-secret';
    const refused = await rejectionOf(openRegistry(url.href));
    expect(refused).to.be.instanceOf(RegistryError);
    expect(refused.message)
      .to.contain(`127.0.0.1:${postgres.port}`)
      .and.contain('password')
      .and.contain('REGISTRY_URL');
    await postgres.stop();
    const startedAt = performance.now();
    const absent = await rejectionOf(openRegistry(url.href));
    expect(absent).to.be.instanceOf(RegistryError);
    expect(absent.message).to.contain('ECONNREFUSED').and.contain('Start the database');
    expect(performance.now() - startedAt).to.be.below(OPEN_WITHIN_MS);
    for (const { message } of [refused, absent]) expect(message).not.to.contain('wrong-secret');
    await postgres.start();
  }).timeout(60_000);
});
