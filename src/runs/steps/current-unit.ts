/** Knows which attempt at which step or item the current code belongs to, by its asynchronous context. */
import { AsyncLocalStorage } from 'node:async_hooks';

import type { LedgerEntry } from '../replay/ledger.ts';

interface Unit {
  readonly entry: LedgerEntry;
  /** Aborts when nothing of the attempt counts any more. */
  readonly signal: AbortSignal;
  isOver: boolean;
}

export class CurrentUnit {
  readonly #inside = new AsyncLocalStorage<Unit>();

  get entry(): LedgerEntry | undefined {
    return this.#inside.getStore()?.entry;
  }

  /** Aborts when nothing of the attempt counts any more that the current code belongs to; undefined outside of steps and items. */
  get signal(): AbortSignal | undefined {
    return this.#inside.getStore()?.signal;
  }

  /** Whether the attempt that the current code belongs to has ended. */
  get isOver(): boolean {
    return this.#inside.getStore()?.isOver ?? false;
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
