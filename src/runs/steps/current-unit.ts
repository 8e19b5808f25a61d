/** Knows which attempt at which step or item the current code belongs to, by its asynchronous context. */
import { AsyncLocalStorage } from 'node:async_hooks';

import type { LedgerEntry } from '../replay/ledger.ts';

interface Unit {
  readonly entry: LedgerEntry;
  isOver: boolean;
}

export class CurrentUnit {
  readonly #inside = new AsyncLocalStorage<Unit>();

  get entry(): LedgerEntry | undefined {
    return this.#inside.getStore()?.entry;
  }

  /** Whether the attempt that the current code belongs to has ended. */
  get isOver(): boolean {
    return this.#inside.getStore()?.isOver ?? false;
  }

  /** Runs `work` as one attempt at `entry`. */
  async run<Value>(entry: LedgerEntry, work: () => Promise<Value>): Promise<Value> {
    const unit: Unit = { entry, isOver: false };
    try {
      return await this.#inside.run(unit, work);
    } finally {
      unit.isOver = true;
    }
  }
}
