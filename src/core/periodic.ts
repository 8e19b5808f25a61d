/** Work that is repeated at an interval: never concurrently; a failure is logged and the work retried. */
import { toError } from './errors.ts';
import type { Log } from './log.ts';

const MAX_RETRY_DELAY_MS = 60_000;

export interface PeriodicOptions {
  /** The name of the work in log lines; a sentence begins with it. */
  readonly name: string;
  readonly intervalMs: number;
  /** Returns how long this machine slept since `timeMs`, in milliseconds. That time does not count as overdue. Default: 0. */
  readonly pausedSince?: (timeMs: number) => number;
  readonly log: Log;
  readonly work: () => Promise<void>;
}

export class Periodic {
  readonly #options: PeriodicOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #intervalMs: number;
  #startedAt: number | undefined;
  #lastRunAt: Date | undefined;
  /** The end of the last attempt, successful or not; in milliseconds since 1970. */
  #triedAtMs = 0;
  /** The reason of the last failure. A failure with the same reason is logged only once as an error. */
  #failure: string | undefined;

  constructor(options: PeriodicOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
  }

  /** The end of the last successful attempt. */
  get lastRunAt(): Date | null {
    return this.#lastRunAt ?? null;
  }

  /** The time since an attempt was due, in milliseconds; 0 if it is not started. */
  get overdueMs(): number {
    if (this.#startedAt === undefined) return 0;
    const { pausedSince = () => 0 } = this.#options;
    const lastAt = Math.max(this.#startedAt, this.#triedAtMs);
    return Math.max(0, Date.now() - lastAt - pausedSince(lastAt) - this.#intervalMs);
  }

  get #retryMs(): number {
    return Math.min(MAX_RETRY_DELAY_MS, this.#intervalMs);
  }

  get isStarted(): boolean {
    return this.#startedAt !== undefined;
  }

  /** Starts the repetition: at once, or after `firstInMs`. Does nothing if it is already started. */
  start({ firstInMs = 0 }: { readonly firstInMs?: number } = {}): void {
    if (this.isStarted) return;
    this.#startedAt = Date.now();
    this.#schedule(firstInMs);
  }

  /** Changes the interval. */
  setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    if (this.isStarted && this.#running === undefined) this.#schedule(intervalMs);
  }

  /** Stops the repetition. Resolves when the current attempt has ended. */
  async stop(): Promise<void> {
    this.#startedAt = undefined;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Does the work now, or joins the current attempt. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#work().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #work(): Promise<void> {
    const { name, log, work } = this.#options;
    clearTimeout(this.#timer);
    let hasFailed = false;
    try {
      await work();
      this.#lastRunAt = new Date();
      if (this.#failure !== undefined) log.info(`${name} works again`);
      this.#failure = undefined;
    } catch (thrown) {
      hasFailed = true;
      const { message: reason } = toError(thrown);
      const level = reason === this.#failure ? 'debug' : 'error';
      log[level](`${name} failed; it will be retried in ${Math.round(this.#retryMs / 1_000)} s`, { reason });
      this.#failure = reason;
    }
    this.#triedAtMs = Date.now();
    if (this.isStarted) this.#schedule(hasFailed ? this.#retryMs : this.#intervalMs);
  }

  #schedule(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.run(), inMs);
    this.#timer.unref();
  }
}
