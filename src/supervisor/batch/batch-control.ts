/** Controls running batches. The control is separate from them, so that a caller can create it before the batch starts. */
import { ActionError } from '../../core/errors.ts';
import type { Disposer } from '../../core/events.ts';

/**
 * Changes the concurrency of a batch, pauses it and resumes it, also while the batch runs. One control may serve several batches.
 *
 * @example
 * const control = new BatchControl({ concurrency: 2 });
 * const outcome = supervisor.batch(urls, visit, { control });
 * control.concurrency = 20;
 */
export class BatchControl {
  readonly #batches = new Set<() => void>();
  #concurrency: number | undefined;
  #isPaused = false;

  /** Without a `concurrency`, the batch's own option applies until the setter is used. Throws `ActionError` if the value can't be used. */
  constructor({ concurrency }: { readonly concurrency?: number } = {}) {
    if (concurrency !== undefined) this.concurrency = concurrency;
  }

  /** The maximum number of workers at the same time; undefined if it was never set. */
  get concurrency(): number | undefined {
    return this.#concurrency;
  }

  /**
   * Sets the maximum number of workers. If it becomes smaller, running workers are not interrupted. Throws `ActionError` if the number
   * can't be used.
   */
  set concurrency(concurrency: number) {
    const wrong = describeWrongConcurrency(concurrency);
    if (wrong !== undefined) throw new ActionError(`The concurrency of a batch can't be changed: ${wrong}.`);
    this.#concurrency = concurrency;
    this.#announce();
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Lets no attempt begin until {@link resume} is called. Running attempts continue. */
  pause(): void {
    this.#isPaused = true;
    this.#announce();
  }

  resume(): void {
    this.#isPaused = false;
    this.#announce();
  }

  /** Calls `onChange` after each change until the disposer is called. Used by batches. */
  attach(onChange: () => void): Disposer {
    this.#batches.add(onChange);
    return () => void this.#batches.delete(onChange);
  }

  #announce(): void {
    for (const onChange of this.#batches) onChange();
  }
}

/** Returns what is wrong with a concurrency, or undefined if it can be used. */
export function describeWrongConcurrency(concurrency: number): string | undefined {
  if (concurrency === Infinity || (Number.isInteger(concurrency) && concurrency >= 1)) return undefined;
  return `concurrency is ${concurrency}; it must be a whole number of at least 1, or Infinity`;
}
