import { expect } from 'chai';

import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { killAndResume } from './resume.ts';

describeOnSqliteAndInFullOnPostgres('A program that is killed by kill -9 and resumed', (registries) => {
  it('ends with the file of an undisturbed run, byte for byte, and leaves nothing (invariants 5 and 6)', async () => {
    const kills = await killAndResume({ registryUrl: await registries.url(), runs: 1, seed: 7 });
    expect(kills).to.be.greaterThan(0);
  }).timeout(120_000);
});
