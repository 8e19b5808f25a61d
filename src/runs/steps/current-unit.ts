/** Finds the attempt at a step or item that the current code belongs to, by its asynchronous context. */
import { AsyncLocalStorage } from 'node:async_hooks';

import type { LedgerEntry } from '../replay/ledger.ts';

interface Unit {
  readonly entry: LedgerEntry;
  /** Aborts when the result of the attempt no longer counts. */
  readonly signal: AbortSignal;
  isOver: boolean;
}

const OUTSIDE = Symbol('the code of `run` outside of steps');

export class CurrentUnit {
  readonly #inside = new AsyncLocalStorage<Unit | typeof OUTSIDE>();

  get entry(): LedgerEntry | undefined {
    return this.#unit?.entry;
  }

  /** True if the current code is that of `run` outside of steps. False for code whose asynchronous context is lost. */
  get isOutside(): boolean {
    return this.#inside.getStore() === OUTSIDE;
  }

  /** Aborts when the result of the attempt of the current code no longer counts; undefined outside of steps and items. */
  get signal(): AbortSignal | undefined {
    return this.#unit?.signal;
  }

  /** True if the attempt of the current code has ended. */
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
