/**
 * The durable store of a batch. The run layer uses it to make each item durable: an item that ended in an earlier batch is not worked on
 * again. A batch without a journal stores its results only in memory.
 */
import type { BatchOptions, BatchResult } from './options.ts';

/** An item that a batch is about to take. */
export interface DeclaredItem<Item> {
  readonly key: string;
  readonly item: Item;
  /** The key of the item whose worker has just added this item; undefined for all other items. */
  readonly addedBy: string | undefined;
}

/** An item that a worker added in an earlier process or entry. Its worker may not run again to add it. */
export interface EarlierAddition<Item> {
  /** The key of the item whose worker added it. */
  readonly by: string;
  readonly item: Item;
}

/**
 * The journal of a batch. The run layer's worker begins an item and stores its value, both within one attempt. The batch calls all other
 * functions. A result that the journal returns replaces the batch's own result, because it is the stored one.
 */
export interface BatchJournal<Item, Value> {
  /** The earlier additions in the order in which they were added. */
  readonly earlierAdditions: readonly EarlierAddition<Item>[];
  /** Takes items, in order, before any of them begins. Returns the result of each item that ended earlier. Throws to refuse the items. */
  readonly declare: (items: readonly DeclaredItem<Item>[]) => (BatchResult<Value> | undefined)[];
  /** Returns true if `error` ends an item although it has retries left. */
  readonly isFinal: (error: Error) => boolean;
  readonly fail: (key: string, error: Error) => Promise<BatchResult<Value>>;
  readonly skip: (key: string, reason: string) => Promise<BatchResult<Value>>;
  /**
   * Called at the end of the batch for each item that the batch cancelled. Returns the item's result if the journal has one nevertheless,
   * for example if the batch was stopped while the result was being stored.
   */
  readonly abandon: (key: string) => Promise<BatchResult<Value> | undefined>;
}

/** The options of a batch with a journal; internal to this package. */
export interface JournaledOptions<Item, Value> extends BatchOptions<Item> {
  readonly journal: BatchJournal<Item, Value>;
  /** An upper bound that `concurrency` and `control` can't exceed. */
  readonly maxConcurrency: number;
}
