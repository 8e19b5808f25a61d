import { expect } from 'chai';

import { describeOnBoth } from '../support/registries.ts';
import { killAndResume } from './resume.ts';

describeOnBoth('A program that is killed by kill -9 ten times and resumed', (registries) => {
  it('ends each time with the file of an undisturbed run, byte for byte, and leaves nothing (law 5, law 6)', async () => {
    const kills = await killAndResume({ registryUrl: await registries.url(), runs: 10, seed: 2026 });
    expect(kills).to.be.greaterThan(5);
  }).timeout(600_000);
});
