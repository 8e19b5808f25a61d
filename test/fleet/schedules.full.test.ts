import { expect } from 'chai';
import { defineAction, z } from 'webdriver-supervisor';

import { silentLog } from '../../src/core/log.ts';
import {
  addSchedule,
  listSchedules,
  openQueue,
  removeSchedule,
  startScheduler,
  type NewSchedule,
} from '../../src/fleet/fleet.ts';
import { eventually } from '../support/eventually.ts';
import { rejectionOf } from '../support/rejection.ts';
import { FleetStage } from './shards.ts';

const WORK: NewSchedule = {
  name: 'daily',
  cron: '0 6 * * *',
  timezone: 'Europe/Prague',
  target: 'timed',
  params: {},
  queueName: 'timed',
  retries: 0,
  allowsOverlap: false,
};

describe('a schedule', () => {
  let stage: FleetStage;
  before(async () => {
    stage = await FleetStage.open();
  });
  after(() => stage[Symbol.asyncDispose]());

  it('is listed with its next time until it is removed', async () => {
    const next = await addSchedule(stage.queue, WORK);
    expect(next.getTime()).to.be.greaterThan(Date.now());
    expect([4, 5]).to.include(next.getUTCHours());
    expect(await listSchedules(stage.queue)).to.deep.equal([{ ...WORK, next }]);
    expect(await removeSchedule(stage.queue, 'daily')).to.equal(true);
    expect(await removeSchedule(stage.queue, 'daily')).to.equal(false);
    expect(await listSchedules(stage.queue)).to.deep.equal([]);
  });

  for (const [what, change, message] of [
    ['wrong times', { cron: '61 * * * *' }, /--cron is "61 \* \* \* \*"/],
    ['an unknown zone', { timezone: 'Europe/Nowhere' }, /--tz is "Europe\/Nowhere"/],
    ['a wrong name', { name: 'a b' }, /The schedule's name is "a b"/],
  ] as const) {
    it(`with ${what} is refused before it is stored`, async () => {
      expect((await rejectionOf(addSchedule(stage.queue, { ...WORK, ...change }))).message).to.match(message);
      expect(await listSchedules(stage.queue)).to.deep.equal([]);
    });
  }

  it('enqueues its action at the time, and not again before the last run has ended', async () => {
    const action = defineAction({ name: 'timed', description: 'A test.', params: z.object({}), run: () => undefined });
    const warnings: string[] = [];
    await addSchedule(stage.queue, { ...WORK, cron: '* * * * *' });
    await using queue = await openQueue(stage.url, 'A test needs', { log: silentLog, isWorker: true });
    await startScheduler({
      registry: stage.registry,
      queue,
      log: { ...silentLog, warn: (text) => void warnings.push(text) },
      loadAction: async () => ({ action }),
    });
    const [run] = await eventually(
      async () => {
        const runs = await stage.registry.runs.list({ hasShards: false });
        return runs.length > 0 && runs;
      },
      'the scheduled run',
      70_000,
    );
    expect(run).to.include({ action: 'timed', shards: 1, status: 'pending' });
    const [stored] = await queue.listSchedules();
    await queue.boss.send('schedules', stored?.data ?? {});
    await eventually(async () => warnings.length > 0, 'the warning');
    expect(warnings[0]).to.equal(`The scheduled timed is left out, because its run ${run?.id} has not ended`);
    expect(await stage.registry.runs.count({ hasShards: false })).to.equal(1);
  });
});
