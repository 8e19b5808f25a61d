import { describeOnBoth } from '../support/registries.ts';
import { suspendAndTakeOver } from './takeover.ts';

describeOnBoth('A program that is suspended beyond its lease while another resumes its run', (registries) => {
  it('halts with lease-lost when it wakes, and writes nothing, neither rows nor files (invariants 5 and 7)', async () => {
    await suspendAndTakeOver(await registries.url());
  }).timeout(90_000);
});
