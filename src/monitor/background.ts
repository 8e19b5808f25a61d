/** Runs work that no caller waits for. The monitor waits for it at its end. */
import { settlesWithin } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

export class Background {
  readonly #log: Log;
  readonly #running = new Set<Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Starts `work`. If it fails, the log line begins with `name`. */
  run(name: string, work: () => Promise<unknown>): void {
    const running = this.#run(name, work);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Waits for the work that runs. Resolves with false if some of it did not end within the limit. */
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
