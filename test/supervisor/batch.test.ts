import { AsyncLocalStorage } from 'node:async_hooks';

import { expect } from 'chai';
import { spy, useFakeTimers } from 'sinon';
import { ActionError, CancelledError } from '../../src/core/errors.ts';
import type { BatchTools, SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { rejectionOf, startScripted, turn, type Scripted } from './support.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('SessionSupervisor.batch', () => {
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

  describe('its outcome', () => {
    it('has each item’s result in input order, even if they end in another order (R105)', async () => {
      const gates = numbers(4).map(() => Promise.withResolvers<void>());
      const outcome = supervisor.batch(
        ['slow', 'bad', 'declined', 'quick'],
        async (item, { skip }) => {
          await gates[['slow', 'bad', 'declined', 'quick'].indexOf(item)]!.promise;
          if (item === 'bad') throw new TypeError('broken');
          if (item === 'declined') skip('not today');
          return item.toUpperCase();
        },
        { key: (item) => item },
      );
      for (const gate of gates.toReversed()) {
        gate.resolve();
        await turn();
      }
      const { counts, results, stoppedBy } = await outcome;
      expect(counts).to.deep.equal({ total: 4, done: 2, failed: 1, cancelled: 0, skipped: 1 });
      expect(
        results.map((result) => ({ ...result, error: 'error' in result ? result.error.message : null })),
      ).to.deep.equal([
        { key: 'slow', status: 'done', value: 'SLOW', error: null },
        { key: 'bad', status: 'failed', error: 'broken' },
        { key: 'declined', status: 'skipped', reason: 'not today', error: null },
        { key: 'quick', status: 'done', value: 'QUICK', error: null },
      ]);
      expect(stoppedBy).to.equal(null);
    });

    it('is empty, and resolves at once, if there are no items', async () => {
      expect(await supervisor.batch([], () => 1)).to.deep.equal({
        counts: { total: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 },
        results: [],
        stoppedBy: null,
      });
    });

    it('contains the items of a generator, with their position as the key if none is given', async () => {
      const { results } = await supervisor.batch(
        (function* () {
          yield 'a';
          yield 'b';
        })(),
        (item, { key }) => `${key}${item}`,
      );
      expect(results).to.deep.equal([
        { key: '0', status: 'done', value: '0a' },
        { key: '1', status: 'done', value: '1b' },
      ]);
    });

    it('has the failure of a worker that throws synchronously', async () => {
      const failure = new Error('at once');
      const { results } = await supervisor.batch([1], () => {
        throw failure;
      });
      expect(results).to.deep.equal([{ key: '0', status: 'failed', error: failure }]);
    });

    for (const [what, thrown] of Object.entries({
      'a text': 'a text',
      'a number': 7,
      null: null,
      undefined,
      'an object': { code: 1 },
      'a symbol': Symbol('odd'),
    })) {
      it(`has an Error for a worker that throws ${what}`, async () => {
        const { results } = await supervisor.batch([1], async () => {
          // oxlint-disable-next-line typescript/only-throw-error -- authors can do this
          throw thrown;
        });
        expect(results[0]).to.have.property('status', 'failed');
        expect((results[0] as { error: unknown }).error)
          .to.be.instanceOf(Error)
          .with.property('message')
          .that.is.a('string')
          .and.not.equal('');
      });
    }
  });

  describe('the batch and its options', () => {
    it('refuses two items with one key before any worker starts (R105)', async () => {
      const worker = spy();
      const error = await rejectionOf(supervisor.batch(['a', 'b', 'a'], worker, { key: (item) => item }));
      expect(error).to.be.instanceOf(ActionError);
      expect(error.message).to.contain('"a"');
      expect(worker.callCount).to.equal(0);
      expect(supervisor.health.parallelOperations).to.equal(0);
    });

    it('rejects with the error of a key function or an iterable before any worker starts', async () => {
      const worker = spy();
      const failure = new Error('no key');
      const broken = () => {
        throw failure;
      };
      expect(await rejectionOf(supervisor.batch([1], worker, { key: broken }))).to.equal(failure);
      const items = (function* () {
        yield 1;
        broken();
      })();
      expect(await rejectionOf(supervisor.batch(items, worker))).to.equal(failure);
      expect(worker.callCount).to.equal(0);
      expect(supervisor.health.parallelOperations).to.equal(0);
    });

    for (const [what, options] of Object.entries({
      'a concurrency of 0': { concurrency: 0 },
      'a concurrency of 1.5': { concurrency: 1.5 },
      'a concurrency of NaN': { concurrency: NaN },
      'negative retries': { retries: -1 },
      'endless retries': { retries: Infinity },
      'a rate limit of 0': { rateLimit: { count: 0, perMs: 10 } },
      'a rate limit of 1.5': { rateLimit: { count: 1.5, perMs: 10 } },
      'a rate limit without time': { rateLimit: { count: 1, perMs: 0 } },
      'a rate limit over endless time': { rateLimit: { count: 1, perMs: Infinity } },
      'an empty key': { key: () => '' },
      'a key that is a number': { key: (() => 7) as unknown as () => string },
    })) {
      it(`refuses ${what} with an ActionError that names it`, async () => {
        const worker = spy();
        const error = await rejectionOf(supervisor.batch([1], worker, options));
        expect(error).to.be.instanceOf(ActionError);
        expect(error.message).to.match(/concurrency|retries|rateLimit|key/);
        expect(worker.callCount).to.equal(0);
      });
    }

    it('runs exactly as many workers at a time as the concurrency allows', async () => {
      let running = 0;
      let most = 0;
      for (const concurrency of [1, 3, 50]) {
        running = most = 0;
        await supervisor.batch(
          numbers(60),
          async () => {
            most = Math.max(most, (running += 1));
            await turn();
            running -= 1;
          },
          { concurrency },
        );
        expect(most).to.equal(concurrency);
      }
    });

    it('runs thousands of workers at a time without overflowing the stack', async () => {
      const { counts } = await supervisor.batch(numbers(8_000), () => turn(), { concurrency: 4_000 });
      expect(counts.done).to.equal(8_000);
    });

    it('begins no more items in any window of time than the rate limit allows', async () => {
      const clock = useFakeTimers({
        toFake: ['setTimeout', 'clearTimeout', 'Date'],
        shouldClearNativeTimers: true,
      });
      try {
        const begun: number[] = [];
        const outcome = supervisor.batch(numbers(20), () => begun.push(Date.now()), {
          concurrency: 8,
          rateLimit: { count: 3, perMs: 100 },
        });
        const over = outcome.then(() => true);
        const next = () => (clock.countTimers() > 0 ? clock.nextAsync() : turn());
        while (!(await Promise.race([over, next().then(() => false)]))) continue;
        expect((await outcome).counts.done).to.equal(20);
        expect(begun.at(-1)! - begun[0]!, 'and doesn’t dawdle').to.be.within(600, 700);
        for (const [index, at] of begun.entries()) {
          const within = begun.slice(index).filter((other) => other < at + 100);
          expect(within.length).to.be.at.most(3);
        }
        expect(clock.countTimers()).to.equal(0);
      } finally {
        clock.restore();
      }
    });

    it('ends the wait for a rate limit at once when it is cancelled', async () => {
      const controller = new AbortController();
      const outcome = supervisor.batch(numbers(5), (item) => item, {
        rateLimit: { count: 1, perMs: 3_600_000 },
        signal: controller.signal,
      });
      await turn();
      controller.abort(new CancelledError());
      expect((await outcome).counts).to.deep.include({ total: 5, done: 1, cancelled: 4 });
    });

    it('repeats a failing item as often as allowed, and passes the number of the attempt to the worker', async () => {
      const attempts: number[] = [];
      const { results } = await supervisor.batch(
        ['a'],
        (item, { attempt }) => {
          attempts.push(attempt);
          if (attempt < 3) throw new TypeError('not yet');
          return item;
        },
        { retries: 2 },
      );
      expect(attempts).to.deep.equal([1, 2, 3]);
      expect(results[0]).to.deep.equal({ key: '0', status: 'done', value: 'a' });
    });

    it('fails an item with its last error when its retries are used up', async () => {
      const { results } = await supervisor.batch(
        ['a'],
        (_item, { attempt }) => {
          throw new Error(`attempt ${attempt}`);
        },
        { retries: 1 },
      );
      expect((results[0] as { error: Error }).error.message).to.equal('attempt 2');
    });
  });

  describe('the batch and the tools of its workers', () => {
    it('counts an item as skipped even if the worker ignores the error that skip throws', async () => {
      const { results, counts } = await supervisor.batch(
        ['swallows', 'fails afterwards', 'plain'],
        async (item, { skip }) => {
          if (item === 'plain') return skip('plainly');
          try {
            skip(`because it ${item}`);
          } catch {
            if (item === 'fails afterwards') throw new Error('something else');
          }
          return 'a value that nobody wants';
        },
        { retries: 2 },
      );
      expect(counts).to.deep.equal({ total: 3, done: 0, failed: 0, cancelled: 0, skipped: 3 });
      expect(results.map((result) => (result.status === 'skipped' ? result.reason : result))).to.deep.equal([
        'because it swallows',
        'because it fails afterwards',
        'plainly',
      ]);
    });

    it('grows the batch by add, also from its last worker, and once per key', async () => {
      const added: boolean[] = [];
      const worked: number[] = [];
      const { results } = await supervisor.batch(
        [1],
        (item, { add }) => {
          worked.push(item);
          if (item < 10) added.push(add(item + 1), add(item + 1), add(item), add(1));
          return item;
        },
        { key: String, concurrency: 2 },
      );
      expect(worked).to.deep.equal(numbers(10).map((index) => index + 1));
      expect(results.map(({ key }) => key)).to.deep.equal(worked.map(String));
      for (let index = 0; index < added.length; index += 4) {
        expect(added.slice(index, index + 4)).to.deep.equal([true, false, false, false]);
      }
    });

    it('begins an added item after the statement that added it, not in its middle', async () => {
      const lines: string[] = [];
      await supervisor.batch(
        [0],
        (item, { add }) => {
          lines.push(`${item} begins`);
          if (item < 2) add(item + 1);
          lines.push(`${item} ends`);
        },
        { key: String },
      );
      expect(lines).to.deep.equal(numbers(3).flatMap((item) => [`${item} begins`, `${item} ends`]));
    });

    it('does not starve items that were added while all workers are busy', async () => {
      const release = Promise.withResolvers<void>();
      const { counts } = await supervisor.batch(
        numbers(3),
        async (item, { add }) => {
          if (item === 0) for (const more of numbers(50)) add(100 + more);
          if (item === 149) release.resolve();
          if (item < 2) await release.promise;
        },
        { key: String, concurrency: 3 },
      );
      expect(counts).to.include({ total: 53, done: 53 });
    });

    it('works on an added item in the batch’s own asynchronous context, not in that of the worker that added it', async () => {
      const context = new AsyncLocalStorage<string>();
      const seen: (string | undefined)[] = [];
      await context.run('the caller', () =>
        supervisor.batch([0], (item, { add }) => {
          seen.push(context.getStore());
          if (item < 3) context.run(`worker ${item}`, () => add(item + 1));
        }),
      );
      expect(seen).to.deep.equal(Array(4).fill('the caller'));
    });

    it('refuses an item that is added after the batch had ended, and never works on it', async () => {
      let late: ((item: number) => boolean) | undefined;
      const worker = spy((_item: number, { add }: BatchTools<number>) => {
        late = add;
      });
      await supervisor.batch([1], worker);
      expect(() => late!(2)).to.throw(ActionError, /ended/);
      await turn();
      expect(worker.callCount).to.equal(1);
    });

    it('lends the driver to a single worker at a time', async () => {
      const { results } = await supervisor.batch([1], (_item, { driver }) => driver.getTitle(), { concurrency: 1 });
      expect(results[0]).to.include({ status: 'done', value: 'Title of about:blank' });
    });

    it('refuses the driver to workers that share a window, names the solution, and stops the batch (R105)', async () => {
      const { results, stoppedBy } = await supervisor.batch(numbers(5), (_item, { driver }) => driver.getTitle(), {
        concurrency: 2,
        retries: 3,
      });
      expect(stoppedBy).to.be.instanceOf(ActionError);
      expect(stoppedBy!.message).to.match(/concurrency: 1/);
      expect(results[0]).to.include({ status: 'failed', error: stoppedBy });
      expect(results.slice(2).map(({ status }) => status)).to.deep.equal(Array(3).fill('cancelled'));
    });

    it('passes the api of the batch to workers: it refuses calls after the batch was cancelled, while the session’s own api works', async () => {
      const controller = new AbortController();
      let lent: BatchTools<number>['api'] | undefined;
      await supervisor.batch(
        [1],
        async (_item, { api }) => {
          lent = api;
          await api.fetch(`${scripted.server.url}/status`);
          controller.abort(new CancelledError());
        },
        { signal: controller.signal },
      );
      expect(await rejectionOf(lent!.fetch(`${scripted.server.url}/status`))).to.equal(controller.signal.reason);
      expect((await supervisor.api.fetch(`${scripted.server.url}/status`)).status).to.equal(200);
    });
  });
});
