/** Counts reused sessions, and writes sums, one write at a time: a hundred simultaneous callers cause one write. */
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../registry/registry.ts';

export class ReuseCount {
  readonly #options: { readonly registry: Registry; readonly log: Log };
  #pending = 0;
  #writing: Promise<void> | undefined;

  constructor(options: { readonly registry: Registry; readonly log: Log }) {
    this.#options = options;
  }

  add(): void {
    this.#pending += 1;
    this.#writing ??= this.#write();
  }

  /** Resolves when all counts are written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { registry, log } = this.#options;
    // Callers in the same turn of the event loop are counted first.
    await Promise.resolve();
    while (this.#pending > 0) {
      const by = this.#pending;
      this.#pending = 0;
      try {
        await registry.metrics.count('sessions_reused', { by });
      } catch (thrown) {
        log.warn('The reuse of sessions could not be counted', { by, reason: toError(thrown).message });
      }
    }
    this.#writing = undefined;
  }
}
