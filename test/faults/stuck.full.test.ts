import { describeOnBoth, describeOnPostgres } from '../support/registries.ts';
import { holdUntilTimedOut } from './stuck.ts';

describeOnPostgres('A run whose program is frozen and then killed while a monitor runs', (registries) => {
  it('gets a warning, times out and is reported within 30 s, and a resume has all its data (R205, R208, R209, R213, R216)', async () => {
    await holdUntilTimedOut(await registries.url(), 'killed');
  }).timeout(90_000);
});

describeOnBoth('A run whose program is frozen and continued while a monitor runs', (registries) => {
  it('halts as timed out with exit code 5 when it wakes up, and a resume has all its data (R205, R214)', async () => {
    await holdUntilTimedOut(await registries.url(), 'continued');
  }).timeout(90_000);
});
