/**
 * Applies the time limit of a Mocha test, without the time that browsers take to start. Mocha itself ends a test that exceeds its limit
 * without a check of its session. With this clock the test rejects instead, and the caller can check whether the session died.
 */

/** The members of Mocha's `Runnable` that implement its time limit. */
export interface TimedRunnable {
  /** The time limit in milliseconds; 0 means no limit. */
  timeout(): number;
  timeout(ms: number): unknown;
  resetTimeout(): void;
  clearTimeout(): void;
  timer?: unknown;
  callback?: ((error?: unknown) => void) | undefined;
}

/** Returns an error with the message and the code that Mocha uses. */
function makeTimeoutError(timeout: number): Error {
  const words = `Timeout of ${timeout}ms exceeded. For async tests and hooks, ensure "done()" is called; if returning a Promise, ensure it resolves.`;
  return Object.assign(new Error(words), { code: 'ERR_MOCHA_TIMEOUT', timeout });
}

export class TestClock {
  readonly #runnable: TimedRunnable;
  readonly #end = Promise.withResolvers<never>();
  #pauses = 0;
  #pausedAt = 0;

  /** Replaces Mocha's timer of a test or hook that is running. */
  constructor(runnable: TimedRunnable) {
    this.#runnable = runnable;
    this.#end.promise.catch(() => undefined);
    runnable.resetTimeout = () => this.#arm();
    // Mocha passes uncaught errors to this callback.
    runnable.callback = (error) => this.#end.reject(error);
    this.#arm();
  }

  /** Runs `work` while the clock, which was paused, continues. Rejects when the time limit is exceeded, and with uncaught errors. */
  async time<Value>(work: () => Promise<Value>): Promise<Value> {
    this.resume();
    try {
      return await Promise.race([work(), this.#end.promise]);
    } finally {
      this.pause();
    }
  }

  /** Stops the clock. After several calls, {@link resume} must be called the same number of times. */
  pause(): void {
    this.#pauses += 1;
    if (this.#pauses === 1) this.#pausedAt = performance.now();
    this.#disarm();
  }

  /** Continues the clock. The time since {@link pause} is added to the limit. */
  resume(): void {
    this.#pauses -= 1;
    if (this.#pauses > 0) return;
    const limitMs = this.#runnable.timeout();
    if (limitMs > 0) this.#runnable.timeout(limitMs + Math.ceil(performance.now() - this.#pausedAt));
    this.#arm();
  }

  #arm(): void {
    this.#disarm();
    const limitMs = this.#runnable.timeout();
    if (this.#pauses > 0 || limitMs === 0) return;
    this.#runnable.timer = setTimeout(() => this.#end.reject(makeTimeoutError(limitMs)), limitMs);
  }

  #disarm(): void {
    clearTimeout(this.#runnable.timer as NodeJS.Timeout | undefined);
  }
}
