/** Runs tasks one after the other, in the order in which they were added. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #unsettled = 0;

  /** Settles as `work` does. `work` starts when all earlier work has settled; at once if there is none. */
  run<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = this.#unsettled === 0 ? work() : this.#last.then(work);
    this.#unsettled += 1;
    const settle = () => void (this.#unsettled -= 1);
    this.#last = result.then(settle, settle);
    return result;
  }
}
