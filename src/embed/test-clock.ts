/**
 * The time limit of a test of mocha, without the time that browsers take to start. Mocha ends a test that is over its limit by itself, and
 * without asking why it is late; with this clock the test ends by an error that its own code can look into.
 */

/** The members of mocha's `Runnable` that its time limit consists of. */
export interface TimedRunnable {
  /** In milliseconds; 0 means no limit. */
  timeout(): number;
  timeout(ms: number): unknown;
  resetTimeout(): void;
  clearTimeout(): void;
  timer?: unknown;
  callback?: ((error?: unknown) => void) | undefined;
}

/** Returns an error with mocha's own words and code. */
function makeTimeoutError(timeout: number): Error {
  const words = `Timeout of ${timeout}ms exceeded. For async tests and hooks, ensure "done()" is called; if returning a Promise, ensure it resolves.`;
  return Object.assign(new Error(words), { code: 'ERR_MOCHA_TIMEOUT', timeout });
}

export class TestClock {
  readonly #runnable: TimedRunnable;
  readonly #end = Promise.withResolvers<never>();
  #pauses = 0;
  #pausedAt = 0;

  /** Takes over the time limit of a test or hook that is running. */
  constructor(runnable: TimedRunnable) {
    this.#runnable = runnable;
    this.#end.promise.catch(() => undefined);
    runnable.resetTimeout = () => this.#arm();
    // Mocha reports errors here that no code caught.
    runnable.callback = (error) => this.#end.reject(error);
    this.#arm();
  }

  /** Lets a paused clock go on while `work` runs. Rejects when the time is over, and with an error that no code caught. */
  async time<Value>(work: () => Promise<Value>): Promise<Value> {
    this.resume();
    try {
      return await Promise.race([work(), this.#end.promise]);
    } finally {
      this.pause();
    }
  }

  /** Stops the clock until {@link resume} is called as often as this. */
  pause(): void {
    this.#pauses += 1;
    if (this.#pauses === 1) this.#pausedAt = performance.now();
    this.#disarm();
  }

  /** Lets the clock go on: the time since {@link pause} is added to the limit. */
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
