import { describeOnBoth } from '../support/registries.ts';
import { holdUntilTimedOut } from './stuck.ts';

describeOnBoth('A run whose program is held, and wakes up when it is timed out already', (registries) => {
  it('halts as timed out with exit code 5, and a resume has all its data (R205, R214)', async () => {
    await holdUntilTimedOut(await registries.url(), 'continued');
  }).timeout(90_000);
});
