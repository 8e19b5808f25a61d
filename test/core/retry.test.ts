import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';
import { ActionError, CancelledError, DeadlineError, NonRetryableError } from '../../src/core/errors.ts';
import { isRetryable, retry } from '../../src/core/retry.ts';

describe('retry', () => {
  let clock: SinonFakeTimers;
  let controller: AbortController;

  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    controller = new AbortController();
  });

  afterEach(() => {
    expect(clock.countTimers(), 'timers left').to.equal(0);
    clock.restore();
  });

  /** Makes a function that fails with the given errors, one after the other, then succeeds with the number of the attempt. */
  const failing = (...errors: unknown[]) => {
    const attempts: number[] = [];
    const attempt = async (attemptNumber: number) => {
      attempts.push(attemptNumber);
      // oxlint-disable-next-line typescript/only-throw-error -- users may throw any value
      if (attempts.length <= errors.length) throw errors[attempts.length - 1];
      return attemptNumber;
    };
    return { attempts, attempt };
  };

  const rejectionOf = (promise: Promise<unknown>) =>
    promise.then(
      () => expect.fail('it resolved'),
      (thrown: unknown) => thrown,
    );

  it('resolves with the first successful attempt, and counts from 1', async () => {
    const { attempt, attempts } = failing(new Error('one'), new Error('two'));
    const result = retry(attempt, { retries: 5, signal: controller.signal });
    await clock.runAllAsync();
    expect(await result).to.equal(3);
    expect(attempts).to.deep.equal([1, 2, 3]);
  });

  it('tries once by default, and rejects with the same error', async () => {
    const error = new Error('the first and last');
    const { attempt, attempts } = failing(error);
    expect(await rejectionOf(retry(attempt, { signal: controller.signal }))).to.equal(error);
    expect(attempts).to.have.length(1);
  });

  it('rejects with the original error of an AbortError, at once', async () => {
    const originalError = new Error('not worth another attempt');
    const { attempt, attempts } = failing(Object.assign(new Error('x'), { name: 'AbortError', originalError }));
    expect(await rejectionOf(retry(attempt, { retries: 5, signal: controller.signal }))).to.equal(originalError);
    expect(attempts).to.have.length(1);
  });

  it('rejects with the last error after its retries are used up', async () => {
    const last = new Error('last');
    const { attempt, attempts } = failing(new Error('first'), new Error('second'), last, new Error('never'));
    const rejection = rejectionOf(retry(attempt, { retries: 2, signal: controller.signal }));
    await clock.runAllAsync();
    expect(await rejection).to.equal(last);
    expect(attempts).to.have.length(3);
  });

  it('retries a TypeError and thrown values that are not Errors', async () => {
    const { attempt } = failing(new TypeError("Cannot read properties of undefined (reading 'x')"), 'a text', null);
    const result = retry(attempt, { retries: 3, signal: controller.signal });
    await clock.runAllAsync();
    expect(await result).to.equal(4);
  });

  it('waits between one and two times the first delay, doubled with each attempt, and never more than the limit', async () => {
    const { attempt, attempts } = failing(...Array.from({ length: 4 }, () => new Error('again')));
    const result = retry(attempt, { retries: 4, minDelayMs: 100, maxDelayMs: 300, signal: controller.signal });
    const counts: number[] = [];
    for (const ms of [99, 101, 199, 101, 300, 300]) {
      await clock.tickAsync(ms);
      counts.push(attempts.length);
    }
    await result;
    expect(counts.slice(0, 2)).to.deep.equal([1, 2]);
    expect(counts.at(-1)).to.equal(5);
  });

  it("rejects at once with errors that a retry can't change", async () => {
    for (const error of [new ActionError('rule broken'), new CancelledError()]) {
      const { attempt, attempts } = failing(error);
      expect(await rejectionOf(retry(attempt, { retries: 5, signal: controller.signal }))).to.equal(error);
      expect(attempts).to.have.length(1);
    }
  });

  it('asks the caller which failures are retried', async () => {
    const { attempt, attempts } = failing(new RangeError('yes'), new TypeError('no'));
    const shouldRetry = (error: Error) => error instanceof RangeError;
    const rejection = rejectionOf(retry(attempt, { retries: 5, shouldRetry, signal: controller.signal }));
    await clock.runAllAsync();
    expect(await rejection).to.have.property('message', 'no');
    expect(attempts).to.have.length(2);
  });

  it('awaits beforeRetry with the failure, but not after the last one', async () => {
    const { attempt } = failing(new Error('one'), new Error('two'));
    const calls: string[] = [];
    const beforeRetry = (error: Error, attemptNumber: number) => void calls.push(`${error.message} ${attemptNumber}`);
    const rejection = rejectionOf(retry(attempt, { retries: 1, beforeRetry, signal: controller.signal }));
    await clock.runAllAsync();
    await rejection;
    expect(calls).to.deep.equal(['one 1']);
  });

  it("does not start with an aborted signal, and rejects with the signal's reason", async () => {
    const reason = new Error('halted before');
    const { attempt, attempts } = failing();
    expect(await rejectionOf(retry(attempt, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
    expect(attempts).to.have.length(0);
  });

  it("ends a back-off at once with the signal's reason", async () => {
    const reason = new Error('halted');
    const { attempt, attempts } = failing(new Error('one'));
    const rejection = rejectionOf(
      retry(attempt, { retries: 5, minDelayMs: 60_000, maxDelayMs: 60_000, signal: controller.signal }),
    );
    await clock.tickAsync(10);
    controller.abort(reason);
    expect(await rejection).to.equal(reason);
    await clock.tickAsync(200_000);
    expect(attempts).to.have.length(1);
  });

  it('does not wait for an attempt that ignores the signal, and starts no other one', async () => {
    const reason = new Error('halted');
    const stuck = Promise.withResolvers<never>();
    let attempts = 0;
    const attempt = () => {
      attempts += 1;
      return stuck.promise;
    };
    const rejection = rejectionOf(retry(attempt, { retries: 5, signal: controller.signal }));
    await Promise.resolve();
    controller.abort(reason);
    expect(await rejection).to.equal(reason);
    stuck.reject(new Error('too late'));
    await clock.runAllAsync();
    expect(attempts).to.equal(1);
  });

  it('does not wait for a beforeRetry that ignores the signal', async () => {
    const reason = new Error('halted');
    const { attempt, attempts } = failing(new Error('one'));
    const beforeRetry = () => new Promise<void>(() => undefined);
    const rejection = rejectionOf(retry(attempt, { retries: 5, beforeRetry, signal: controller.signal }));
    await clock.tickAsync(1);
    controller.abort(reason);
    expect(await rejection).to.equal(reason);
    expect(attempts).to.have.length(1);
  });

  it('leaves no listener on the signal after any end', async () => {
    const { attempt } = failing(new Error('one'));
    const result = retry(attempt, { retries: 1, signal: controller.signal });
    await clock.runAllAsync();
    await result;
    await rejectionOf(retry(failing(new Error('only')).attempt, { signal: controller.signal }));
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
  });
});

describe('isRetryable', () => {
  it('returns false for a NonRetryableError, and for the AbortError of any copy of p-retry', () => {
    const abortError = Object.assign(new Error('enough'), { name: 'AbortError', originalError: new Error('enough') });
    expect(isRetryable(new NonRetryableError('no such page'))).to.equal(false);
    expect(isRetryable(abortError)).to.equal(false);
    expect(isRetryable(new DOMException('aborted', 'AbortError'))).to.equal(true);
  });

  it('returns true for foreign errors and failures of a step, and false for errors that halt the session or abort the run', () => {
    expect(isRetryable(new Error('foreign'))).to.equal(true);
    expect(isRetryable(new DeadlineError('It', 1))).to.equal(true);
    expect(isRetryable(new ActionError('rule'))).to.equal(false);
    expect(isRetryable(new CancelledError())).to.equal(false);
  });
});
