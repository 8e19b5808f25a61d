import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

import { ActionError, CancelledError } from '../../src/core/errors.ts';
import { BatchControl, type SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { rejectionOf, startScripted, turn, type Scripted } from './support.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Workers that wait until they are released, and the number of waiting workers. */
function makeGates() {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  return {
    enter: () => (isOpen ? Promise.resolve() : new Promise<void>((resolve) => void waiting.push(resolve))),
    get waiting() {
      return waiting.length;
    },
    release: (count: number) => {
      for (const resolve of waiting.splice(0, count)) resolve();
    },
    open: () => {
      isOpen = true;
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

describe('SessionSupervisor.batch: the order and time of starts', () => {
  let scripted: Scripted;
  let supervisor: SessionSupervisor;

  before(async () => {
    scripted = await startScripted();
    ({ supervisor } = scripted);
  });

  after(() => scripted[Symbol.asyncDispose]());

  describe('concurrency', () => {
    it('can be Infinity: every item begins at once', async () => {
      const gates = makeGates();
      const outcome = supervisor.batch(numbers(2_000), gates.enter, { concurrency: Infinity });
      while (gates.waiting < 2_000) await turn();
      expect(supervisor.health.parallelOperations).to.equal(2_000);
      gates.open();
      expect((await outcome).counts.done).to.equal(2_000);
    });

    it('can be raised and lowered while the batch runs', async () => {
      const gates = makeGates();
      const control = new BatchControl({ concurrency: 2 });
      const outcome = supervisor.batch(numbers(100), gates.enter, { control });
      await turn();
      expect(gates.waiting).to.equal(2);
      control.concurrency = 10;
      await turn();
      expect(gates.waiting).to.equal(10);
      control.concurrency = 3;
      gates.release(5);
      await turn();
      expect(gates.waiting, 'those that run already end in their own time').to.equal(5);
      gates.release(4);
      await turn();
      expect(gates.waiting).to.equal(3);
      control.concurrency = Infinity;
      while (supervisor.health.parallelOperations < 91) await turn();
      gates.open();
      expect((await outcome).counts.done).to.equal(100);
    });

    it('of a control overrides that of the batch, which applies until the control is used', async () => {
      const gates = makeGates();
      const control = new BatchControl();
      const outcome = supervisor.batch(numbers(10), gates.enter, { control, concurrency: 4 });
      await turn();
      expect(gates.waiting).to.equal(4);
      control.concurrency = 6;
      await turn();
      expect(gates.waiting).to.equal(6);
      gates.open();
      await outcome;
    });

    for (const concurrency of [0, -1, 1.5, NaN])
      it(`of ${concurrency} is refused by a control with an ActionError`, () => {
        expect(() => new BatchControl({ concurrency })).to.throw(ActionError, /concurrency/);
        const control = new BatchControl();
        expect(() => (control.concurrency = concurrency)).to.throw(ActionError, /concurrency/);
      });

    it('lends the driver only while it is 1', async () => {
      const control = new BatchControl({ concurrency: 1 });
      const { results } = await supervisor.batch(
        ['first', 'second'],
        async (item, { driver }) => {
          const title = await driver.getTitle();
          if (item === 'first') control.concurrency = 2;
          return title;
        },
        { control, key: (item) => item },
      );
      expect(results.map(({ status }) => status)).to.deep.equal(['done', 'failed']);
    });
  });

  describe('pause and resume', () => {
    let clock: SinonFakeTimers;

    beforeEach(() => {
      clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], shouldClearNativeTimers: true });
    });

    afterEach(() => clock.restore());

    it('stop new starts, and continue afterwards at the same item', async () => {
      const gates = makeGates();
      const control = new BatchControl({ concurrency: 2 });
      const outcome = supervisor.batch(numbers(6), gates.enter, { control });
      await turn();
      control.pause();
      expect(control.isPaused).to.equal(true);
      gates.release(2);
      await turn();
      expect(gates.waiting).to.equal(0);
      expect(supervisor.health.parallelOperations).to.equal(0);
      control.resume();
      await turn();
      expect(gates.waiting).to.equal(2);
      gates.open();
      expect((await outcome).counts.done).to.equal(6);
    });

    it('also stop retries', async () => {
      const control = new BatchControl();
      const attempts: number[] = [];
      const failed = Promise.withResolvers<void>();
      const outcome = supervisor.batch(
        [1],
        (_item, { attempt }) => {
          attempts.push(attempt);
          if (attempt > 1) return 'done';
          control.pause();
          failed.resolve();
          throw new Error('again');
        },
        { control, retries: 1 },
      );
      await failed.promise;
      await clock.tickAsync(10_000);
      expect(attempts).to.deep.equal([1]);
      control.resume();
      await clock.tickAsync(10_000);
      await outcome;
      expect(attempts).to.deep.equal([1, 2]);
    });

    it('work before the batch starts, and for several batches', async () => {
      const control = new BatchControl();
      control.pause();
      const begun: string[] = [];
      const outcomes = ['a', 'b'].map((name) => supervisor.batch([name], (item) => begun.push(item), { control }));
      await turn();
      expect(begun).to.deep.equal([]);
      control.resume();
      await Promise.all(outcomes);
      expect(begun).to.have.members(['a', 'b']);
    });

    it('allow a paused batch to be cancelled', async () => {
      const control = new BatchControl();
      control.pause();
      const stop = new AbortController();
      const outcome = supervisor.batch(numbers(3), (item) => item, { control, signal: stop.signal });
      await turn();
      stop.abort(new CancelledError());
      expect((await outcome).counts).to.include({ total: 3, cancelled: 3 });
    });

    it('obey the rate limit after a pause', async () => {
      const control = new BatchControl();
      const begun: number[] = [];
      const outcome = supervisor.batch(
        numbers(6),
        () => {
          begun.push(Date.now());
          if (begun.length === 1) control.pause();
        },
        { control, rateLimit: { count: 2, perMs: 200 } },
      );
      await turn();
      expect(begun).to.have.length(1);
      control.resume();
      await clock.tickAsync(1_000);
      await outcome;
      for (const [index, at] of begun.entries())
        expect(begun.slice(index).filter((other) => other < at + 200).length).to.be.at.most(2);
    });
  });

  describe('priority', () => {
    it('decides which waiting item begins next: the highest first, and equal ones in their order', async () => {
      const order: string[] = [];
      await supervisor.batch(['low 1', 'high 1', 'middle', 'high 2', 'low 2'], (item) => void order.push(item), {
        concurrency: 1,
        key: (item) => item,
        priority: (item) => (item.startsWith('high') ? 2 : item === 'middle' ? 1 : -Infinity),
      });
      expect(order).to.deep.equal(['high 1', 'high 2', 'middle', 'low 1', 'low 2']);
    });

    it('puts an added item before waiting items of lower priority, and does not change the order of the outcome', async () => {
      const order: number[] = [];
      const { results } = await supervisor.batch(
        [1, 2, 3],
        (item, { add }) => {
          order.push(item);
          if (item === 3) add(100);
        },
        { concurrency: 1, key: String, priority: (item) => item },
      );
      expect(order).to.deep.equal([3, 100, 2, 1]);
      expect(results.map((result) => result.key)).to.deep.equal(['1', '2', '3', '100']);
    });

    it('sorts thousands of items as a stable sort would', async () => {
      const priorities = numbers(3_000).map((index) => (index * 7_919) % 101);
      const order: number[] = [];
      await supervisor.batch(numbers(3_000), (item) => void order.push(item), {
        concurrency: 1,
        priority: (item) => priorities[item] ?? 0,
      });
      const expected = numbers(3_000).toSorted((a, b) => (priorities[b] ?? 0) - (priorities[a] ?? 0));
      expect(order).to.deep.equal(expected);
    });

    it('that is not a number causes an ActionError', async () => {
      const error = await rejectionOf(supervisor.batch([1], () => 1, { priority: () => NaN }));
      expect(error).to.be.instanceOf(ActionError);
      const { counts, stoppedBy } = await supervisor.batch([1], (_item, { add }) => add(2), {
        key: String,
        priority: (item) => (item === 2 ? NaN : 1),
      });
      expect(stoppedBy).to.be.instanceOf(ActionError);
      expect(counts).to.include({ total: 1, failed: 1 });
    });
  });

  for (const concurrency of [1, 5, Infinity])
    it(`lets timers fire while workers never leave the microtask queue, with a concurrency of ${concurrency}`, async () => {
      const firedAt: number[] = [];
      const timer = setInterval(() => firedAt.push(performance.now()), 1);
      const startedAt = performance.now();
      try {
        await supervisor.batch(numbers(50_000), async (item) => item, { concurrency });
      } finally {
        clearInterval(timer);
      }
      const elapsed = performance.now() - startedAt;
      expect(firedAt.length).to.be.above(Math.min(3, elapsed / 100));
    });
});
