import type { LedgerEntry } from '../replay/ledger.ts';

/** A step, a batch or a save that an action has begun. */
export interface OpenCall {
  /** The name for the middle of a sentence, such as `the step "page 3"`. */
  readonly name: string;
  /** An error with the stack of the call. */
  readonly calledAt: Error;
  /** The step in which the call was made. */
  readonly within: LedgerEntry | undefined;
}

/** The calls that an action has made and that have not ended. The action need not catch their failures, which the counts include. */
export class OpenCalls {
  readonly #calls = new Map<Promise<unknown>, OpenCall>();
  readonly #runSignal: AbortSignal;
  #leftAtEnd: readonly OpenCall[] | undefined;

  constructor(runSignal: AbortSignal) {
    this.#runSignal = runSignal;
    runSignal.addEventListener('abort', this.#onRunEnd, { once: true });
  }

  /** Returns the calls that are open now; after the end of the run, those that were open then. */
  list(): readonly OpenCall[] {
    return this.#leftAtEnd ?? [...this.#calls.values()];
  }

  /** Returns the parts of a step that are open now. */
  partsOf(step: LedgerEntry): readonly OpenCall[] {
    return [...this.#calls.values()].filter(({ within }) => within === step);
  }

  /** Resolves when every part of `step` that is open now has settled. Never rejects. */
  async partsSettled(step: LedgerEntry): Promise<void> {
    await Promise.allSettled([...this.#calls].flatMap(([call, { within }]) => (within === step ? [call] : [])));
  }

  close(): void {
    this.#runSignal.removeEventListener('abort', this.#onRunEnd);
  }

  add<Value>(name: string, call: Promise<Value>, within?: LedgerEntry): Promise<Value> {
    const end = () => void this.#calls.delete(call);
    this.#calls.set(call, { name, calledAt: new Error(name), within });
    call.then(end, end);
    return call;
  }

  readonly #onRunEnd = () => void (this.#leftAtEnd = [...this.#calls.values()]);
}
