import { expect } from 'chai';

import { ActionError } from '../../src/core/errors.ts';
import type { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { kill, startScripted, turn, type Scripted } from './support.ts';

/** Yields the numbers from 0, and records how many were pulled and whether the iterator was closed. */
function makeSource(count: number) {
  const seen = { pulled: 0, isClosed: false };
  const items = (async function* () {
    try {
      for (let item = 0; item < count; item += 1) {
        seen.pulled += 1;
        yield item;
      }
    } finally {
      seen.isClosed = true;
    }
  })();
  return { items, seen };
}

const turns = async (count: number) => {
  for (let round = 0; round < count; round += 1) await turn();
};

describe('SessionSupervisor.batch: items of an asynchronous iterable', () => {
  let scripted: Scripted;
  let supervisor: SessionSupervisor;

  before(async () => {
    scripted = await startScripted({ restartLimit: { limit: 1_000, windowMs: 1 } });
    ({ supervisor } = scripted);
  });

  beforeEach(async () => {
    if (supervisor.state !== 'alive') await supervisor.restart();
  });

  after(() => scripted[Symbol.asyncDispose]());

  it('are processed like others, and are in the outcome in their order', async () => {
    const { items, seen } = makeSource(50);
    const { counts, results } = await supervisor.batch(items, async (item) => {
      if (item % 3 === 0) await turn();
      return item;
    });
    expect(counts).to.deep.equal({ total: 50, done: 50, failed: 0, cancelled: 0, skipped: 0 });
    expect(results.map((result) => result.status === 'done' && result.value)).to.deep.equal(
      Array.from({ length: 50 }, (_unused, index) => index),
    );
    expect(seen.isClosed).to.equal(true);
  });

  it('are pulled only a few items ahead of the workers', async () => {
    const { items, seen } = makeSource(1_000);
    const gates: (() => void)[] = [];
    const outcome = supervisor.batch(items, () => new Promise<void>((resolve) => void gates.push(resolve)), {
      concurrency: 3,
    });
    await turns(20);
    expect(gates).to.have.length(3);
    expect(seen.pulled).to.be.within(3, 7);
    for (const open of gates.splice(0)) open();
    await turns(20);
    expect(gates).to.have.length(3);
    expect(seen.pulled).to.be.within(6, 10);
    kill(supervisor);
    for (const open of gates) open();
    await outcome;
  });

  it('are pulled only a few items ahead of a rate limit, with every concurrency', async () => {
    const { items, seen } = makeSource(1_000);
    const outcome = supervisor.batch(items, (item) => item, {
      concurrency: Infinity,
      rateLimit: { count: 2, perMs: 3_600_000 },
    });
    await turns(20);
    expect(seen.pulled).to.be.within(2, 7);
    kill(supervisor);
    expect((await outcome).counts).to.include({ done: 2 });
  });

  it('can be missing: a batch without items ends when the iterable does', async () => {
    const { items } = makeSource(0);
    expect((await supervisor.batch(items, () => 1)).counts.total).to.equal(0);
  });

  it('can arrive while workers add items, which follow them in the outcome', async () => {
    const { items } = makeSource(5);
    const { results } = await supervisor.batch(items, (item, { add }) => void (item < 5 && add(item + 100)), {
      key: String,
      concurrency: 1,
    });
    expect(results.map((result) => result.key)).to.deep.equal([
      ...['0', '1', '2', '3', '4'],
      ...['100', '101', '102', '103', '104'],
    ]);
  });

  it('are ignored if a worker has already added them', async () => {
    const { items } = makeSource(3);
    const { counts } = await supervisor.batch(items, (item, { add }) => void (item === 0 && add(2)), {
      key: String,
      concurrency: 1,
    });
    expect(counts).to.include({ total: 3, done: 3 });
  });

  it('end the batch when the iterable fails: running items finish, waiting ones are cancelled with its error', async () => {
    const failure = new Error('the list broke off');
    const gate = Promise.withResolvers<void>();
    const items = (async function* () {
      yield 'running';
      yield 'waiting';
      await turn();
      throw failure;
    })();
    const outcome = supervisor.batch(
      items,
      async (item, { signal }) => {
        await gate.promise;
        return `${item} ${signal.aborted}`;
      },
      { concurrency: 1, key: (item) => item },
    );
    await turns(5);
    gate.resolve();
    const { counts, results, stoppedBy } = await outcome;
    expect(stoppedBy).to.equal(failure);
    expect(results).to.deep.equal([
      { key: 'running', status: 'done', value: 'running false' },
      { key: 'waiting', status: 'cancelled', error: failure },
    ]);
    expect(counts).to.deep.equal({ total: 2, done: 1, failed: 0, cancelled: 1, skipped: 0 });
    expect(supervisor.health.parallelOperations).to.equal(0);
  });

  it('end the batch when two of them have the same key', async () => {
    const items = (async function* () {
      yield 'a';
      yield 'a';
    })();
    const { counts, stoppedBy } = await supervisor.batch(items, () => 1, { key: (item) => item });
    expect(stoppedBy).to.be.instanceOf(ActionError);
    expect(stoppedBy?.message).to.contain('"a"');
    expect(counts).to.include({ total: 1, done: 1 });
  });

  it('are no longer pulled after a death, and their iterator is closed', async () => {
    const { items, seen } = makeSource(1_000);
    const outcome = supervisor.batch(items, (_item, { signal }) => {
      if (seen.pulled > 10) kill(supervisor);
      signal.throwIfAborted();
    });
    const { stoppedBy, counts } = await outcome;
    const pulled = seen.pulled;
    await turns(5);
    expect(stoppedBy).to.equal(supervisor.signal.reason);
    expect(counts.total).to.be.at.most(pulled);
    expect(seen).to.deep.equal({ pulled, isClosed: true });
  });

  it('never delay the end: a death ends a batch whose iterable yields nothing', async () => {
    const items = (async function* (): AsyncGenerator<number> {
      await new Promise(() => undefined);
      yield 1;
    })();
    const outcome = supervisor.batch(items, () => 1);
    await turn();
    kill(supervisor);
    expect((await outcome).counts.total).to.equal(0);
  });

  it('are not pulled at all after the halt', async () => {
    const { items, seen } = makeSource(3);
    kill(supervisor);
    const { counts, stoppedBy } = await supervisor.batch(items, () => 1);
    expect(counts.total).to.equal(0);
    expect(stoppedBy).to.equal(supervisor.signal.reason);
    expect(seen.pulled).to.equal(0);
  });
});
