/**
 * Items that workers added before the batch was started again. Each of them is added as soon as the batch has the item whose worker added
 * it.
 */
import { Heap } from './backlog.ts';
import type { EarlierAddition } from './batch-journal.ts';

interface Addition<Item> {
  readonly item: Item;
  /** The position in the order in which items were added. */
  readonly rank: number;
}

export class EarlierAdditions<Item> {
  /** The key of each taken addition, mapped to its position in the order in which items were added. */
  readonly ranks = new Map<string, number>();
  readonly #byAdder: Map<string, Addition<Item>[]>;

  constructor(additions: readonly EarlierAddition<Item>[]) {
    const ranked = additions.map(({ by, item }, rank) => ({ by, item, rank }));
    this.#byAdder = Map.groupBy(ranked, ({ by }) => by);
  }

  /**
   * Calls `take` for each item that the workers of `keys` added, and for the items that those added in turn, in the order in which all of
   * them were added. `take` returns the item's key, or undefined if the batch already has the item.
   */
  follow(keys: readonly string[], take: (item: Item) => string | undefined): void {
    if (this.#byAdder.size === 0) return;
    const waiting = new Heap<Addition<Item>>();
    const open = (key: string) => {
      for (const addition of this.#byAdder.get(key) ?? []) waiting.put(addition, -addition.rank);
      this.#byAdder.delete(key);
    };
    keys.forEach(open);
    for (let next = waiting.take(); next !== undefined; next = waiting.take()) {
      const key = take(next.item);
      if (key === undefined) continue;
      this.ranks.set(key, next.rank);
      open(key);
    }
  }
}
