/** Work that is done again and again: never twice at once, and a failure is told and tried again. */
import { toError } from './errors.ts';
import type { Log } from './log.ts';

const RETRY_MS = 60_000;

export interface PeriodicOptions {
  /** For the log: begins a sentence. */
  readonly name: string;
  readonly intervalMs: number;
  /** How much of the time since then this machine slept, in ms: nothing is overdue for that. Default: none. */
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
  /** When it last ended, well or not. */
  #triedAtMs = 0;
  /** The last one's reason: a failure that stays the same is told once. */
  #failure: string | undefined;

  constructor(options: PeriodicOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
  }

  /** When it last went well. */
  get lastRunAt(): Date | null {
    return this.#lastRunAt ?? null;
  }

  /** For how long nothing was tried that should have been, in ms; 0 while it is not started. */
  get overdueMs(): number {
    if (this.#startedAt === undefined) return 0;
    const { pausedSince = () => 0 } = this.#options;
    const lastAt = Math.max(this.#startedAt, this.#triedAtMs);
    return Math.max(0, Date.now() - lastAt - pausedSince(lastAt) - this.#intervalMs);
  }

  get #retryMs(): number {
    return Math.min(RETRY_MS, this.#intervalMs);
  }

  get isStarted(): boolean {
    return this.#startedAt !== undefined;
  }

  /** The first time is at once, or after `firstInMs`. Nothing where it is started already. */
  start({ firstInMs = 0 }: { readonly firstInMs?: number } = {}): void {
    if (this.isStarted) return;
    this.#startedAt = Date.now();
    this.#schedule(firstInMs);
  }

  /** From now on it is done so often. */
  setInterval(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    if (this.isStarted && this.#running === undefined) this.#schedule(intervalMs);
  }

  /** Waits for the work under way. */
  async stop(): Promise<void> {
    this.#startedAt = undefined;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Does it now, or joins the one under way. Never rejects. */
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
      const tell = reason === this.#failure ? 'debug' : 'error';
      log[tell](`${name} failed; it is tried again in ${Math.round(this.#retryMs / 1_000)} s`, { reason });
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
