import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import { ActionError, CancelledError, NonRetryableError } from '../../src/core/errors.ts';
import { ApiError, ItemTimedOutError, type SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { eventually } from '../support/eventually.ts';
import { kill, rejectionOf, startScripted, turn, type Scripted } from './support.ts';

const key = (item: string): string => item;
const hang = () => new Promise<never>(() => undefined);
/** An error like the one that p-retry exports, made by another copy of p-retry. */
const makeAbortError = (originalError: Error) =>
  Object.assign(new Error(originalError.message), { name: 'AbortError', originalError });

describe('SessionSupervisor.batch: limits of an item', () => {
  let scripted: Scripted;
  let supervisor: SessionSupervisor;
  let clock: SinonFakeTimers;

  before(async () => {
    scripted = await startScripted({ restartLimit: { limit: 1_000, windowMs: 1 } });
    ({ supervisor } = scripted);
  });

  beforeEach(async () => {
    if (supervisor.state !== 'alive') await supervisor.restart();
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], shouldClearNativeTimers: true });
  });

  afterEach(() => clock.restore());

  after(() => scripted[Symbol.asyncDispose]());

  describe('timeoutMs', () => {
    it('fails an item that hangs, names it, and lets the others finish', async () => {
      const outcome = supervisor.batch(['hangs', 'fine'], (item) => (item === 'hangs' ? hang() : item), {
        key,
        concurrency: 1,
        timeoutMs: 1_000,
      });
      await clock.tickAsync(1_000);
      const { counts, results, stoppedBy } = await outcome;
      expect(counts).to.deep.equal({ total: 2, done: 1, failed: 1, cancelled: 0, skipped: 0 });
      expect(stoppedBy).to.equal(null);
      const [{ error }] = results as unknown as [{ error: ItemTimedOutError }];
      expect(error).to.be.instanceOf(ItemTimedOutError);
      expect(error).to.include({ code: 'item-timed-out', consequence: 'fail-step' });
      expect(error.message).to.contain('"hangs"').and.contain('1000 ms');
    });

    it('aborts the signal of the item and refuses its API calls, but not those of other items', async () => {
      const reasons: unknown[] = [];
      const outcome = supervisor.batch(
        ['hangs', 'fine'],
        async (item, { signal, api }) => {
          if (item === 'fine') {
            await api.fetch(`${scripted.server.url}/status`);
            return signal.aborted;
          }
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          reasons.push(signal.reason, await rejectionOf(api.fetch(`${scripted.server.url}/status`)));
          return hang();
        },
        { key, timeoutMs: 1_000, concurrency: 1 },
      );
      await clock.tickAsync(1_000);
      const { results } = await outcome;
      expect(reasons).to.have.length(2);
      for (const error of reasons) expect(error).to.be.instanceOf(ItemTimedOutError);
      expect(results[1]).to.deep.equal({ key: 'fine', status: 'done', value: false });
    });

    it('drops the later results, skips and additions of a timed-out worker', async () => {
      const late = Promise.withResolvers<void>();
      const refused = Promise.withResolvers<unknown>();
      const outcome = supervisor.batch(
        ['late', 'last'],
        async (item, { add, skip }) => {
          if (item === 'last') {
            late.resolve();
            await refused.promise;
            return item;
          }
          await late.promise;
          try {
            add('more');
          } catch (thrown) {
            refused.resolve(thrown);
          }
          return skip('too late');
        },
        { key, timeoutMs: 1_000, concurrency: 1 },
      );
      await clock.tickAsync(1_000);
      const { counts } = await outcome;
      expect(await refused.promise).to.be.instanceOf(ItemTimedOutError);
      expect(counts).to.deep.equal({ total: 2, done: 1, failed: 1, cancelled: 0, skipped: 0 });
    });

    it('limits each attempt, and fails the item only when its retries are used up', async () => {
      const attempts: number[] = [];
      const outcome = supervisor.batch(
        ['x'],
        (_item, { attempt }) => {
          attempts.push(attempt);
          return hang();
        },
        { timeoutMs: 1_000, retries: 2 },
      );
      await clock.tickAsync(60_000);
      expect((await outcome).results[0]).to.have.nested.property('error.code', 'item-timed-out');
      expect(attempts).to.deep.equal([1, 2, 3]);
    });

    it('leaves no timer behind if items end in time', async () => {
      await supervisor.batch(['a', 'b'], (item) => item, { key, timeoutMs: 1_000 });
      expect(clock.countTimers()).to.equal(0);
    });

    it('gives a session’s death precedence over the limit', async () => {
      const outcome = supervisor.batch(['x'], hang, { timeoutMs: 60_000 });
      await turn();
      kill(supervisor);
      await clock.tickAsync(2_000);
      expect((await outcome).results[0]).to.include({ status: 'cancelled', error: supervisor.signal.reason });
      await eventually(async () => clock.countTimers() === 0, 'no timer, also if the worker ignores its signal');
    });

    for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31])
      it(`refuses a limit of ${timeoutMs} ms with an ActionError`, async () => {
        const error = await rejectionOf(supervisor.batch(['x'], hang, { timeoutMs }));
        expect(error).to.be.instanceOf(ActionError);
        expect(error.message).to.contain('timeoutMs');
      });
  });

  describe('attempts after a failure', () => {
    it('count against the rate limit like first attempts', async () => {
      const begun: number[] = [];
      const outcome = supervisor.batch(
        ['a', 'b', 'c', 'd'],
        () => {
          begun.push(Date.now());
          throw new Error('again');
        },
        { key, concurrency: 4, retries: 3, rateLimit: { count: 2, perMs: 5_000 } },
      );
      await clock.tickAsync(120_000);
      expect((await outcome).counts.failed).to.equal(4);
      expect(begun).to.have.length(16);
      for (const [index, at] of begun.entries()) {
        expect(begun.slice(index).filter((other) => other < at + 5_000).length).to.be.at.most(2);
      }
    });

    it('end at an error that is marked final, and only for its own item', async () => {
      const attempts: string[] = [];
      const final = new NonRetryableError('no such page');
      const outcome = supervisor.batch(
        ['final', 'fine'],
        (item, { attempt }) => {
          attempts.push(`${item} ${attempt}`);
          if (item === 'final') throw final;
        },
        { key, retries: 5, concurrency: 1 },
      );
      const { results, stoppedBy } = await outcome;
      expect(attempts).to.deep.equal(['final 1', 'fine 1']);
      expect(results[0]).to.deep.equal({ key: 'final', status: 'failed', error: final });
      expect(stoppedBy).to.equal(null);
    });

    it('end at p-retry’s AbortError, and the item fails with the error inside it', async () => {
      const original = new Error('not worth another attempt');
      let attempts = 0;
      const { results } = await supervisor.batch(
        ['x'],
        () => {
          attempts += 1;
          throw makeAbortError(original);
        },
        { key, retries: 5 },
      );
      expect(attempts).to.equal(1);
      expect(results[0]).to.deep.equal({ key: 'x', status: 'failed', error: original });
    });

    it('continue after an AbortError of the platform, which is an ordinary failure', async () => {
      let attempts = 0;
      const outcome = supervisor.batch(
        ['x'],
        () => {
          attempts += 1;
          throw new DOMException('aborted', 'AbortError');
        },
        { retries: 1 },
      );
      await clock.tickAsync(5_000);
      await outcome;
      expect(attempts).to.equal(2);
    });

    it('end if the server asks for a wait of more than a minute', async () => {
      let attempts = 0;
      const { results } = await supervisor.batch(
        ['x'],
        () => {
          attempts += 1;
          const facts = { method: 'GET', url: 'http://shop.test/', status: 503, reason: 'busy' };
          throw new ApiError({ ...facts, retryAfterMs: 3_600_000 });
        },
        { retries: 5 },
      );
      expect(attempts).to.equal(1);
      expect(results[0]).to.have.nested.property('error.retryAfterMs', 3_600_000);
    });

    it('end during the wait for the next attempt when the batch is cancelled', async () => {
      const controller = new AbortController();
      const outcome = supervisor.batch(
        ['x'],
        () => {
          setImmediate(() => controller.abort(new CancelledError()));
          throw new Error('again');
        },
        { retries: 5, signal: controller.signal },
      );
      expect((await outcome).results[0]).to.include({ status: 'cancelled', error: controller.signal.reason });
      expect(clock.countTimers()).to.equal(0);
    });
  });

  it('waits before a retry for as long as the Retry-After of an API call asks', async () => {
    clock.restore();
    const answers = { '/busy': { status: 429, body: '', headers: { 'retry-after': '1' } } };
    await using busy = await startScripted({ apiRetries: 0 }, { answers });
    const begun: number[] = [];
    const { results } = await busy.supervisor.batch(
      ['x'],
      (_item, { api }) => {
        begun.push(performance.now());
        return api.json(`${busy.server.url}/busy`);
      },
      { retries: 1 },
    );
    const [first = 0, second = 0] = begun;
    expect(second - first).to.be.at.least(1_000);
    expect(results[0]).to.have.nested.property('error.retryAfterMs', 1_000);
  });
});
