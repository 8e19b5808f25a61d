/** Does its work at most once within an interval, however often it is requested. */

export interface ThrottleOptions {
  /** Must not throw. */
  readonly work: () => void;
  readonly intervalMs: number;
}

export class Throttle {
  readonly #options: ThrottleOptions;
  #timer: NodeJS.Timeout | undefined;
  #workedAt = -Infinity;

  constructor(options: ThrottleOptions) {
    this.#options = options;
  }

  /**
   * Requests the work for a later turn of the event loop: at once if it was not done within the last interval, otherwise at the end of the
   * interval.
   */
  ask(): void {
    if (this.#timer !== undefined) return;
    const { work, intervalMs } = this.#options;
    const waitMs = Math.max(0, this.#workedAt + intervalMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#workedAt = performance.now();
      work();
    }, waitMs).unref();
  }

  /** Drops work that was requested but has not begun. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
