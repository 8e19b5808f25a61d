/** Does pieces of work one after the other, in the order in which they were given. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #unsettled = 0;

  /** Settles as `work` does, which begins when everything before it has settled, and at once if nothing is before it. */
  run<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = this.#unsettled === 0 ? work() : this.#last.then(work);
    this.#unsettled += 1;
    const settle = () => void (this.#unsettled -= 1);
    this.#last = result.then(settle, settle);
    return result;
  }
}
