import { expect } from 'chai';

import { describeOnBoth } from '../support/registries.ts';
import { killAndResume } from './resume.ts';

describeOnBoth('A program that is killed by kill -9 four times and resumed', (registries) => {
  it('ends each time with the file of an undisturbed run, byte for byte, and leaves nothing (invariants 5 and 6)', async () => {
    const kills = await killAndResume({ registryUrl: await registries.url(), runs: 4, seed: 2026 });
    expect(kills).to.be.greaterThan(2);
  }).timeout(600_000);
});
