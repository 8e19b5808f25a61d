import { AsyncLocalStorage } from 'node:async_hooks';

/** Runs tasks one after the other, in the order in which they were added. */
export class Serial {
  readonly #enter: <Value>(work: () => Value) => Value;
  #last: Promise<unknown> = Promise.resolve();
  #unsettled = 0;

  /** If `isDetached`, the tasks run in the asynchronous context of this call, and not in those of their callers. */
  constructor({ isDetached = false }: { readonly isDetached?: boolean } = {}) {
    this.#enter = isDetached ? AsyncLocalStorage.snapshot() : (work) => work();
  }

  /** Settles as `work` does. `work` starts when all earlier work has settled; at once if there is none. */
  run<Value>(work: () => Promise<Value>): Promise<Value> {
    const begin = () => this.#enter(work);
    const result = this.#unsettled === 0 ? begin() : this.#last.then(begin);
    this.#unsettled += 1;
    const settle = () => void (this.#unsettled -= 1);
    this.#last = result.then(settle, settle);
    return result;
  }
}
