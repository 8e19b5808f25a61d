import { describeOnBoth } from '../support/registries.ts';
import { suspendAndTakeOver } from './takeover.ts';

describeOnBoth('A program that is suspended beyond its lease while another goes on with its run', (registries) => {
  it('halts with lease-lost when it wakes, and writes nothing, neither rows nor files (law 5, law 7)', async () => {
    await suspendAndTakeOver(await registries.url());
  }).timeout(90_000);
});
