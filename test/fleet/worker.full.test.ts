import { once } from 'node:events';

import { expect } from 'chai';
import { defineAction, z } from 'webdriver-supervisor';

import { silentLog } from '../../src/core/log.ts';
import { enqueue, openQueue, resumeParent } from '../../src/fleet/fleet.ts';
import { QUEUE_SCHEMA } from '../../src/fleet/queue.ts';
import { rejectionOf } from '../support/rejection.ts';

import { FleetStage, lettersAction, withClient } from './shards.ts';

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

  it('takes over the shard of a stopped worker where it was, and does no finished step again', async () => {
    const done: string[] = [];
    const held = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const action = lettersAction(
      async ({ params, step }) => {
        await step('first', ({ save }) => {
          done.push('first');
          save({ letter: params.part }, { key: 'first' });
        });
        await step('second', async ({ signal, save }) => {
          begun.resolve();
          await Promise.race([held.promise, once(signal, 'abort')]);
          signal.throwIfAborted();
          done.push('second');
          save({ letter: params.part }, { key: 'second' });
        });
      },
      { name: 'slow' },
    );
    const { parentId } = await stage.enqueue(action, 'x', { queueName: 'slow' });
    const first = await stage.work([action], { queueName: 'slow' });
    await begun.promise;
    await first.drain(0);
    const [shard] = await stage.registry.shards.list(parentId);
    expect(shard).to.include({ status: 'pending', attempts: 1 });
    held.resolve();
    await stage.work([action], { queueName: 'slow' });
    const parent = await stage.untilOver(parentId);
    expect(parent).to.include({ status: 'completed', records: 2, attempts: 2 });
    expect(done).to.deep.equal(['first', 'second']);
  });

  it('ends all shards of a cancelled parent, and a resume does only what is open', async () => {
    const begun = Promise.withResolvers<void>();
    const entered: string[] = [];
    let isHeld = true;
    const action = lettersAction(
      async ({ params, step }) => {
        entered.push(params.part);
        await step('only', async ({ signal, save }) => {
          if (params.part === 'b' && isHeld) {
            begun.resolve();
            await once(signal, 'abort');
            signal.throwIfAborted();
          }
          save({ letter: params.part }, { key: 'only' });
        });
      },
      { name: 'cancelled' },
    );
    const { parentId } = await stage.enqueue(action, 'abc', { queueName: 'cancelled' });
    await stage.work([action], { queueName: 'cancelled' });
    await begun.promise;
    expect(await stage.registry.runs.requestCancel(parentId)).to.equal('requested');
    const parent = await stage.untilOver(parentId);
    expect(parent.status).to.equal('cancelled');
    expect(parent.records).to.equal(1);
    isHeld = false;
    // The queue is that of the first time.
    const resumed = await resumeParent(parent, stage.parts);
    expect(resumed.shards).to.equal(2);
    const { status, records } = await stage.untilOver(parentId);
    expect({ status, records }).to.deep.equal({ status: 'completed', records: 3 });
    expect(entered).to.deep.equal(['a', 'b', 'b', 'c']);
  });

  it('ends a parent as partial if a shard fails in each attempt, and shows the reason', async () => {
    const action = lettersAction(
      ({ params }) => {
        if (params.part === 'b') throw new Error('no such letter');
      },
      { name: 'failing' },
    );
    const { parentId } = await stage.enqueue(action, 'ab', { queueName: 'failing', retries: 1 });
    await stage.work([action], { queueName: 'failing' });
    const parent = await stage.untilOver(parentId);
    expect(parent.status).to.equal('partial');
    expect(parent.error?.message).to.match(/^1 of 2 shards did not complete: shard 2 is failed \(.*no such letter/);
    const shards = await stage.registry.shards.list(parentId);
    expect(shards.map(({ attempts }) => attempts)).to.deep.equal([1, 2]);
  });

  it('ends a shard whose action no worker has, after its attempts', async () => {
    const action = lettersAction(() => undefined, { name: 'unknown' });
    const { parentId } = await stage.enqueue(action, 'a', { queueName: 'unknown', retries: 1 });
    await stage.work([], { queueName: 'unknown' });
    const parent = await stage.untilOver(parentId);
    expect(parent.status).to.equal('halted');
    expect(parent.error?.message).to.include('There is no action "unknown"');
  });

  it('takes the shards of two runs in turn', async () => {
    const order: string[] = [];
    const action = lettersAction(({ params }) => void order.push(params.part), { name: 'fair' });
    const large = await stage.enqueue(action, 'abcd', { queueName: 'fair' });
    const small = await stage.enqueue(action, 'xy', { queueName: 'fair' });
    await stage.work([action], { queueName: 'fair' });
    await stage.untilOver(large.parentId);
    await stage.untilOver(small.parentId);
    expect(order.join('')).to.equal('axbycd');
  });

  it('is refused without PostgreSQL, and by a queue of a newer version', async () => {
    const sqlite = await rejectionOf(openQueue('sqlite:registry.db', '`worker` needs', { log: silentLog }));
    expect(sqlite.message).to.match(/^`worker` needs a registry in PostgreSQL.*REGISTRY_URL/);
    await withClient(stage.url, async (client) => {
      const { rows } = await client.query(`select version from ${QUEUE_SCHEMA}.version`);
      await client.query(`update ${QUEUE_SCHEMA}.version set version = 9999`);
      const newer = await rejectionOf(openQueue(stage.url, '`worker` needs', { log: silentLog }));
      expect(newer.message).to.match(/was made by a newer pg-boss \(version 9999/);
      await client.query(`update ${QUEUE_SCHEMA}.version set version = ${rows[0].version}`);
    });
  });

  it('is refused for an action that can’t be split, and for parameters that may be secret', async () => {
    const whole = defineAction({ name: 'whole', description: 'A test.', params: z.object({}), run: () => undefined });
    const unsplit = await rejectionOf(enqueue(whole, {}, { ...stage.parts, count: 2 }));
    expect(unsplit.message).to.match(/^whole can't be split: it has no `shards`/);
    const login = defineAction({
      name: 'login',
      description: 'A test.',
      params: z.object({ password: z.string() }),
      run: () => undefined,
    });
    const secret = await rejectionOf(enqueue(login, { password: 'hunter2' }, stage.parts));
    expect(secret.message).to.match(/^--password may be secret/);
  });
});
