/** The time limit of one attempt at an item. */
import { anySignal, raceSignal } from '../../core/abort.ts';
import { SupervisorError } from '../../core/errors.ts';

/** An attempt at a batch item exceeded the time limit. Its signal is aborted, and its later results are dropped. */
export class ItemTimedOutError extends SupervisorError {
  readonly code = 'item-timed-out';
  readonly consequence = 'fail-step';

  constructor(key: string, timeoutMs: number) {
    super(
      `The item "${key}" took longer than ${timeoutMs} ms. Pass its signal to everything that waits, or raise \`timeoutMs\`.`,
      { data: { key, timeoutMs } },
    );
  }
}

export class TimeLimit {
  readonly #key: string;
  readonly #timeoutMs: number;
  readonly #outer: AbortSignal;
  readonly #over = new AbortController();
  #signal: AbortSignal | undefined;

  /** `signal` is the signal that the attempt has without its time limit. */
  constructor({ key, timeoutMs, signal }: { key: string; timeoutMs: number; signal: AbortSignal }) {
    this.#key = key;
    this.#timeoutMs = timeoutMs;
    this.#outer = signal;
  }

  /** Aborts when the limit is exceeded, or with the outer signal. It is created on first use, because most attempts never use it. */
  get signal(): AbortSignal {
    this.#signal ??= anySignal(this.#outer, this.#over.signal);
    return this.#signal;
  }

  throwIfExceeded(): void {
    this.#over.signal.throwIfAborted();
  }

  /** Settles as `work` does, or rejects with {@link ItemTimedOutError} when the limit is exceeded before the outer signal aborts. */
  async race<Value>(work: () => Promise<Value>): Promise<Value> {
    const exceed = () => this.#over.abort(new ItemTimedOutError(this.#key, this.#timeoutMs));
    const timer = setTimeout(exceed, this.#timeoutMs);
    // Otherwise a worker that ignores its signals would keep the timer, and so the program, alive for the rest of the limit.
    const stop = () => clearTimeout(timer);
    this.#outer.addEventListener('abort', stop, { once: true });
    try {
      return await raceSignal(work(), this.#over.signal);
    } finally {
      clearTimeout(timer);
      this.#outer.removeEventListener('abort', stop);
    }
  }
}
