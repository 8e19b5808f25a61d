import { getEventListeners } from 'node:events';

import { expect } from 'chai';
import { spy, useFakeTimers } from 'sinon';
import { ActionError, CancelledError } from '../../src/core/errors.ts';
import { ApiError, type BatchOutcome, type SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { kill, startScripted, turn, type Scripted } from './support.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const statuses = ({ results }: BatchOutcome<unknown>) => results.map(({ status }) => status);
/** A worker that ends when its signal aborts, as it should. */
const untilAborted = ({ signal }: { readonly signal: AbortSignal }) =>
  new Promise<never>((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  );

describe('SessionSupervisor.batch, stopped', () => {
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

  describe('the batch', () => {
    it('is stopped by a death: queued items are cancelled, running items aborted, all with the death (R105)', async () => {
      const begun: number[] = [];
      const outcome = supervisor.batch(
        numbers(50),
        async (item, tools) => {
          begun.push(item);
          return item < 10 ? item : untilAborted(tools);
        },
        { concurrency: 5 },
      );
      while (begun.length < 15) await turn();
      expect(supervisor.health.parallelOperations).to.equal(5);
      kill(supervisor);
      const { counts, results, stoppedBy } = await outcome;
      const { reason } = supervisor.signal as { reason: Error };
      expect(counts).to.deep.equal({ total: 50, done: 10, failed: 0, cancelled: 40, skipped: 0 });
      expect(stoppedBy).to.equal(reason);
      for (const result of results.slice(10)) expect(result).to.include({ status: 'cancelled', error: reason });
      expect(supervisor.health.death!.cancelled).to.deep.equal({ queued: 35, inFlight: 5, refused: 0 });
      expect(begun).to.have.length(15);
    });

    it('is stopped by a death that one of its own workers finds (R105)', async () => {
      const outcome = await supervisor.batch(
        numbers(20),
        async (item, { driver }) => {
          if (item === 3) scripted.server.endSession();
          await driver.getTitle();
          return item;
        },
        { concurrency: 1 },
      );
      expect(statuses(outcome)).to.deep.equal(numbers(20).map((item) => (item < 3 ? 'done' : 'cancelled')));
      expect(outcome.stoppedBy).to.equal(supervisor.signal.reason);
      expect(supervisor.health.death!.cancelled).to.deep.equal({ queued: 16, inFlight: 1, refused: 0 });
    });

    it('is stopped if the death came before it: no worker starts, each item is cancelled with the death, and counted as refused (R105, R110)', async () => {
      kill(supervisor);
      const worker = spy();
      const { counts, results } = await supervisor.batch(numbers(7), worker);
      expect(worker.callCount).to.equal(0);
      expect(counts).to.deep.equal({ total: 7, done: 0, failed: 0, cancelled: 7, skipped: 0 });
      for (const result of results) expect(result).to.include({ error: supervisor.signal.reason });
      expect(supervisor.health.death!.cancelled).to.deep.equal({ queued: 0, inFlight: 0, refused: 7 });
    });

    it('is stopped by its caller: the session stays alive, and the reason is the caller’s', async () => {
      const controller = new AbortController();
      const begun: number[] = [];
      const outcome = supervisor.batch(
        numbers(10),
        (item, tools) => {
          begun.push(item);
          return untilAborted(tools);
        },
        { signal: controller.signal, concurrency: 2 },
      );
      await turn();
      const reason = new CancelledError('enough');
      controller.abort(reason);
      const { counts, stoppedBy } = await outcome;
      expect(counts).to.include({ total: 10, cancelled: 10 });
      expect(stoppedBy).to.equal(reason);
      expect(begun).to.have.length(2);
      expect(supervisor.state).to.equal('alive');
      expect(supervisor.health.parallelOperations).to.equal(0);
    });

    it('is stopped by an error that aborts the run: its item fails, and the remaining items are cancelled with it', async () => {
      const reason = new ActionError('the author’s mistake');
      const outcome = await supervisor.batch(
        numbers(6),
        (item) => {
          if (item === 2) throw reason;
          return item;
        },
        { concurrency: 1, retries: 5 },
      );
      expect(statuses(outcome)).to.deep.equal(['done', 'done', 'failed', 'cancelled', 'cancelled', 'cancelled']);
      expect(outcome.stoppedBy).to.equal(reason);
      expect(supervisor.state).to.equal('alive');
    });

    it('is not stopped by an ordinary error of one item', async () => {
      const failure = new ApiError({ method: 'GET', url: 'http://shop.test/', status: 500, reason: 'broken' });
      const { counts, stoppedBy } = await supervisor.batch(numbers(6), (item) => {
        if (item === 2) throw failure;
      });
      expect(counts).to.include({ done: 5, failed: 1, cancelled: 0 });
      expect(stoppedBy).to.equal(null);
    });

    it('drops the value of a worker that ignored the error of the death', async () => {
      const begun = Promise.withResolvers<void>();
      const outcome = supervisor.batch([1], async (_item, { signal }) => {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        return 'too late';
      });
      await begun.promise;
      kill(supervisor);
      const { results } = await outcome;
      expect(results[0]).to.include({ status: 'cancelled', error: supervisor.signal.reason });
    });

    it('waits 2 s for a worker that ignores its signal, logs its key, and drops its later result (R110)', async () => {
      const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
      const late = Promise.withResolvers<string>();
      try {
        const settled = spy();
        const outcome = supervisor.batch(['deaf'], () => late.promise, { key: (item) => item });
        void outcome.then(settled);
        await turn();
        kill(supervisor);
        await clock.tickAsync(1_999);
        expect(settled.callCount).to.equal(0);
        await clock.tickAsync(1);
        const { results } = await outcome;
        expect(results[0]).to.include({ status: 'cancelled' });
        late.resolve('too late');
        await turn();
        expect(results[0]).to.include({ status: 'cancelled' });
      } finally {
        clock.restore();
      }
    });

    it('does not wait for a worker that ends late but in time', async () => {
      const late = Promise.withResolvers<string>();
      const begun = Promise.withResolvers<void>();
      const outcome = supervisor.batch([1], () => {
        begun.resolve();
        return late.promise;
      });
      await begun.promise;
      kill(supervisor);
      await turn();
      late.resolve('too late');
      expect((await outcome).counts).to.include({ cancelled: 1 });
    });

    it('cancels items that wait for their next attempt', async () => {
      const tried = Promise.withResolvers<void>();
      const attempts = spy();
      const outcome = supervisor.batch(
        [1],
        () => {
          attempts();
          setImmediate(tried.resolve);
          throw new Error('again');
        },
        { retries: 10 },
      );
      await tried.promise;
      kill(supervisor);
      expect((await outcome).results[0]).to.include({ status: 'cancelled', error: supervisor.signal.reason });
      expect(attempts.callCount).to.equal(1);
    });

    it('makes add throw the death in a worker that continues, and adds nothing', async () => {
      const refusal = Promise.withResolvers<unknown>();
      const outcome = supervisor.batch([1], async (_item, { signal, add }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        try {
          add(2);
        } catch (thrown) {
          refusal.resolve(thrown);
        }
      });
      await turn();
      kill(supervisor);
      expect(await refusal.promise).to.equal(supervisor.signal.reason);
      expect((await outcome).counts.total).to.equal(1);
    });

    it('belongs to the session on which it began, and ends with that session even if the next one has started', async () => {
      const outcome = supervisor.batch(numbers(3), (item, tools) => untilAborted(tools));
      await turn();
      const { signal } = supervisor;
      await supervisor.restart();
      const { stoppedBy } = await outcome;
      expect(stoppedBy).to.equal(signal.reason);
      expect((await supervisor.batch([1], () => 1)).counts.done).to.equal(1);
    });
  });

  it('leaves neither listeners on the session’s signal nor a warning behind after many items and calls', async () => {
    const warned = spy();
    process.on('warning', warned);
    try {
      const listeners = () => getEventListeners(supervisor.signal, 'abort').length;
      // The route of the calls is created with the first call, and exists as long as the session.
      await supervisor.api.fetch(`${scripted.server.url}/status`);
      const before = listeners();
      for (let batch = 0; batch < 100; batch++) await supervisor.batch(numbers(10), (item) => item, { retries: 1 });
      const { counts } = await supervisor.batch(
        numbers(300),
        async (_item, { api, signal }) => {
          signal.addEventListener('abort', () => undefined, { once: true });
          await api.fetch(`${scripted.server.url}/status`);
          await supervisor.api.fetch(`${scripted.server.url}/status`);
        },
        { concurrency: 50 },
      );
      expect(counts.done).to.equal(300);
      await turn();
      expect(listeners()).to.equal(before);
    } finally {
      process.off('warning', warned);
    }
    expect(warned.args.map(([warning]) => String(warning))).to.deep.equal([]);
  });
});
