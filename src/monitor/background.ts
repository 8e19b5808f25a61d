/** Work that nobody waits for now, and that has an owner who waits for it at the end. */
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

export class Background {
  readonly #log: Log;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `name` begins the sentence that tells of its failure. */
  run(name: string, work: () => Promise<unknown>): void {
    const running = this.#run(name, work);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** False where some of it did not end in time. */
  settle(limitMs: number): Promise<boolean> {
    return settlesWithin(Promise.all(this.#running), limitMs);
  }

  async #run(name: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.#log.warn(`${name} failed`, { reason: toError(thrown).message });
    }
  }
}
