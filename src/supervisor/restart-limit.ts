/** Limits how often sessions are restarted within a time window, and sets the wait before restarts that follow no progress. */
import { count } from '../core/describe-number.ts';
import { SupervisorError } from '../core/errors.ts';

/** Sessions died more often than the limit allows; the last death is the cause. The run can be resumed when the reason is fixed. */
export class RestartLimitError extends SupervisorError {
  readonly code = 'restart-limit';
  readonly consequence = 'abort-run';

  constructor({ limit, windowMs }: RestartLimitOptions, cause: unknown) {
    const window = windowMs < 60_000 ? count(windowMs / 1_000, 'second') : count(windowMs / 60_000, 'minute');
    super(`Sessions died more than ${count(limit, 'time')} within ${window}; no further session is started.`, {
      cause,
      data: { limit, windowMs },
    });
  }
}

export interface RestartLimitOptions {
  /** The maximum number of restarts within the window. Default 10. */
  readonly limit: number;
  /** The length of the window in milliseconds. Default 10 minutes. */
  readonly windowMs: number;
  /** The wait in milliseconds before the second restart without progress in between; it doubles with each further one. Default 250 ms. */
  readonly firstBackoffMs?: number;
}

export const DEFAULT_RESTART_LIMIT: RestartLimitOptions = { limit: 10, windowMs: 600_000 };

const DEFAULT_FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 30_000;
const JITTER_FRACTION = 0.2;

export class RestartLimit {
  readonly #options: RestartLimitOptions;
  #restarts: number[] = [];
  /** The number of restarts since work was last finished. */
  #fruitless = 0;

  constructor(options: RestartLimitOptions = DEFAULT_RESTART_LIMIT) {
    this.#options = options;
  }

  /**
   * Takes one restart and returns the wait before it in milliseconds: none for the first since the last progress, then an exponential
   * back-off with jitter. Throws {@link RestartLimitError} if the limit is reached.
   */
  take(cause: unknown): number {
    const now = performance.now();
    this.#restarts = this.#restarts.filter((at) => now - at < this.#options.windowMs);
    if (this.#restarts.length >= this.#options.limit) throw new RestartLimitError(this.#options, cause);
    this.#restarts.push(now);
    const earlier = Math.min(this.#fruitless, this.#restarts.length - 1);
    this.#fruitless += 1;
    if (earlier === 0) return 0;
    const { firstBackoffMs = DEFAULT_FIRST_BACKOFF_MS } = this.#options;
    const backoffMs = Math.min(firstBackoffMs * 2 ** (earlier - 1), MAX_BACKOFF_MS);
    return backoffMs * (1 - JITTER_FRACTION + 2 * JITTER_FRACTION * Math.random());
  }

  /** Notes that work was finished: the next restart does not wait. */
  noteProgress(): void {
    this.#fruitless = 0;
  }
}
