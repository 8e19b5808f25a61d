import { expect } from 'chai';

import { FleetStage, lettersAction } from './shards.ts';

describe('a worker', () => {
  let stage: FleetStage;
  before(async () => {
    stage = await FleetStage.open();
  });
  after(() => stage[Symbol.asyncDispose]());

  it('does all shards, and the parent has the union of their records in their order', async () => {
    const action = lettersAction(async ({ params, step }) => {
      await step(`read ${params.part}`, ({ save }) => save({ letter: params.part }, { key: params.part }));
    });
    const { parentId, shards } = await stage.enqueue(action, 'cab');
    expect(shards).to.equal(3);
    await stage.work([action], { concurrency: 2 });
    const parent = await stage.untilOver(parentId);
    expect(parent.status).to.equal('completed');
    expect(parent.counts).to.include({ total: 3, done: 3, queued: 0, running: 0 });
    expect(parent.records).to.equal(3);
    expect(await stage.recordsOf(parentId)).to.deep.equal([{ letter: 'c' }, { letter: 'a' }, { letter: 'b' }]);
  });
});
