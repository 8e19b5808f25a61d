import { expect } from 'chai';

import { describeOnBoth } from '../support/registries.ts';
import { checkHistory } from './history/checker.ts';
import { ProcessPool } from './history/processes.ts';
import { runSchedule } from './history/run-schedule.ts';
import { makeSchedule } from './history/schedule.ts';

const SCHEDULES = 10;

describeOnBoth('A run for which processes compete while they are killed, suspended and disconnected', ({ kind }) => {
  it(`fulfils the guarantees of the registry in ${SCHEDULES} random schedules, also if older copies are restored`, async () => {
    await using pool = new ProcessPool();
    for (let seed = 1; seed <= SCHEDULES; seed += 1) {
      const history = await runSchedule(makeSchedule(seed, kind), pool);
      const again = `npm run chaos -- --schedules 1 --seed ${seed} --database ${kind}`;
      expect(checkHistory(history), again).to.deep.equal([]);
    }
  }).timeout(120_000);
});
