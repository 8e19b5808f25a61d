/** Waits for the cleanups after sessions that have ended, each with a deadline of its own. */
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

const CLEANUP_LIMIT_MS = 15_000;

export class CleanUps {
  readonly #log: Log;
  readonly #open = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Waits at most 15 s for `work`, and logs its failure. */
  add(work: Promise<void>): void {
    const settling = this.#settle(work).finally(() => this.#open.delete(settling));
    this.#open.add(settling);
  }

  /** Resolves when all cleanups have ended or exceeded their deadline. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #settle(work: Promise<void>): Promise<void> {
    try {
      if (await settlesWithin(work, CLEANUP_LIMIT_MS)) await work;
      else this.#log.error('The browser has not ended in time; its cleanup continues in the background');
    } catch (thrown) {
      this.#log.error('The cleanup after a browser session failed', { reason: toError(thrown).message });
    }
  }
}
