import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { anySignal, delay, raceSignal, settlesWithin, withDeadline } from '../../src/core/abort.ts';
import { useClockInEachTest } from '../support/fake-clock.ts';
import { DeadlineError } from '../../src/core/errors.ts';

const REASON = new Error('the reason');
const LONG_MS = 60_000;

/** Resolves with a promise's rejection; fails if the promise resolves. */
async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
  throw new Error('The promise resolved, but it was expected to reject.');
}

/** Returns the unhandled rejections that occur during the work. */
async function unhandledDuring(work: () => Promise<unknown>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (reason) => unhandled.push(reason));
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
  }
  return unhandled;
}

const abortListeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('raceSignal', () => {
  it('resolves as the work does and leaves no listener', async () => {
    const { signal } = new AbortController();
    expect(await raceSignal(Promise.resolve('done'), signal)).to.equal('done');
    expect(abortListeners(signal)).to.equal(0);
  });

  it('rejects as the work does and leaves no listener', async () => {
    const { signal } = new AbortController();
    const failure = new Error('failed');
    expect(await rejectionOf(raceSignal(Promise.reject(failure), signal))).to.equal(failure);
    expect(abortListeners(signal)).to.equal(0);
  });

  it("rejects with the signal's reason as soon as it aborts", async () => {
    const controller = new AbortController();
    const race = raceSignal(new Promise(() => undefined), controller.signal);
    controller.abort(REASON);
    expect(await rejectionOf(race)).to.equal(REASON);
    expect(abortListeners(controller.signal)).to.equal(0);
  });

  it('rejects at once if the signal was already aborted', async () => {
    expect(await rejectionOf(raceSignal(new Promise(() => undefined), AbortSignal.abort(REASON)))).to.equal(REASON);
  });

  it('turns a reason that is not an Error into one', async () => {
    const thrown = await rejectionOf(raceSignal(new Promise(() => undefined), AbortSignal.abort('just a text')));
    expect(thrown).to.be.instanceOf(Error).with.property('message', 'just a text');
  });

  it('ignores a later rejection of the work', async () => {
    const unhandled = await unhandledDuring(async () => {
      const work = Promise.withResolvers<never>();
      await rejectionOf(raceSignal(work.promise, AbortSignal.abort(REASON)));
      work.reject(new Error('too late'));
    });
    expect(unhandled).to.deep.equal([]);
  });
});

describe('withDeadline and settlesWithin', () => {
  const clock = useClockInEachTest();

  it('settle as the work does if it is in time, and clear their timers', async () => {
    const failure = new Error('failed');
    expect(await withDeadline(Promise.resolve(1), LONG_MS, 'The work')).to.equal(1);
    expect(await rejectionOf(withDeadline(Promise.reject(failure), LONG_MS, 'The work'))).to.equal(failure);
    expect(await settlesWithin(Promise.resolve(), LONG_MS)).to.equal(true);
    expect(await settlesWithin(Promise.reject(failure), LONG_MS)).to.equal(true);
  });

  it('reject at the limit with an error that names the work and its limit', async () => {
    const late = rejectionOf(withDeadline(new Promise(() => undefined), 250, 'Counting the sheep'));
    await clock().tickAsync(250);
    expect(await late)
      .to.be.instanceOf(DeadlineError)
      .with.property('message', 'Counting the sheep took longer than 250 ms.');
  });

  it('report that the work has not settled within the limit', async () => {
    const settled = settlesWithin(new Promise(() => undefined), 250);
    await clock().tickAsync(250);
    expect(await settled).to.equal(false);
  });

  it('ignore a rejection of the work after the limit', async () => {
    const unhandled = await unhandledDuring(async () => {
      const work = Promise.withResolvers<never>();
      const late = rejectionOf(withDeadline(work.promise, 10, 'The work'));
      const settled = settlesWithin(work.promise, 10);
      await clock().tickAsync(10);
      await Promise.all([late, settled]);
      work.reject(new Error('too late'));
    });
    expect(unhandled).to.deep.equal([]);
  });
});

describe('delay', () => {
  it('ends after its time, with and without a signal, and leaves no listener', async () => {
    const { signal } = new AbortController();
    await delay(1);
    await delay(1, signal);
    expect(abortListeners(signal)).to.equal(0);
  });

  it("rejects with the signal's reason, before and during the wait, and leaves no timer", async () => {
    const controller = new AbortController();
    const waiting = delay(LONG_MS, controller.signal);
    controller.abort(REASON);
    expect(await rejectionOf(waiting)).to.equal(REASON);
    expect(await rejectionOf(delay(LONG_MS, controller.signal))).to.equal(REASON);
    expect(abortListeners(controller.signal)).to.equal(0);
  });
});

describe('anySignal', () => {
  it('ignores null and undefined, and uses the reason of the first signal that aborts', () => {
    const controller = new AbortController();
    const both = anySignal(undefined, controller.signal, null, new AbortController().signal);
    expect(both.aborted).to.equal(false);
    controller.abort(REASON);
    expect(both.reason).to.equal(REASON);
  });
});
