/** Knows which attempt at which step or item the current code belongs to, by its asynchronous context. */
import { AsyncLocalStorage } from 'node:async_hooks';

import type { LedgerEntry } from '../replay/ledger.ts';

interface Unit {
  readonly entry: LedgerEntry;
  /** Aborts when nothing of the attempt counts any more. */
  readonly signal: AbortSignal;
  isOver: boolean;
}

const OUTSIDE = Symbol('the code of `run` outside of steps');

export class CurrentUnit {
  readonly #inside = new AsyncLocalStorage<Unit | typeof OUTSIDE>();

  get entry(): LedgerEntry | undefined {
    return this.#unit?.entry;
  }

  /** Whether the current code is that of `run` outside of steps. Code whose asynchronous context is lost is not. */
  get isOutside(): boolean {
    return this.#inside.getStore() === OUTSIDE;
  }

  /** Aborts when nothing of the attempt counts any more that the current code belongs to; undefined outside of steps and items. */
  get signal(): AbortSignal | undefined {
    return this.#unit?.signal;
  }

  /** Whether the attempt that the current code belongs to has ended. */
  get isOver(): boolean {
    return this.#unit?.isOver ?? false;
  }

  runOutside<Value>(work: () => Value): Value {
    return this.#inside.run(OUTSIDE, work);
  }

  get #unit(): Unit | undefined {
    const unit = this.#inside.getStore();
    return unit === OUTSIDE ? undefined : unit;
  }

  /** Runs `work` as one attempt at `entry`. */
  async run<Value>(entry: LedgerEntry, signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    const unit: Unit = { entry, signal, isOver: false };
    try {
      return await this.#inside.run(unit, work);
    } finally {
      unit.isOver = true;
    }
  }
}
