import { expect } from 'chai';
import { freeze, unfreeze } from 'webdriver-supervisor/testing';

import { openRegistry, RegistryError } from '../../src/registry/registry.ts';
import { TestPostgres } from '../support/postgres.ts';
import { rejectionOf } from '../support/rejection.ts';
import { keptBy, numbers, openRun } from '../support/opened-run.ts';

const STEPS = 200;
/** Told at once to whoever waits at the start. */
const OPEN_WITHIN_MS = 10_000;

describe('A registry in PostgreSQL, whose server', () => {
  it('hangs for two seconds: the run waits for it, and the event loop does not', async () => {
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
    expect(await keptBy(run)).to.deep.equal({ steps: numbers(STEPS), records: numbers(STEPS) });
    expect(run.failures).to.deep.equal([]);
  }).timeout(60_000);

  it('is not there, or refuses the password, is named without it, soon', async () => {
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
