/**
 * The store behind a batch. The run layer makes each item durable with it: an item that an earlier batch ended is not worked on again.
 * A batch without a journal keeps its results in memory only.
 */
import type { BatchOptions, BatchResult } from './options.ts';

/** An item that a batch is about to take. */
export interface DeclaredItem<Item> {
  readonly key: string;
  readonly item: Item;
  /** The key of the item whose worker added this one just now; undefined for all other items. */
  readonly addedBy: string | undefined;
}

/** An item that a worker added in an earlier process or entry; its worker may not run again to add it. */
export interface EarlierAddition<Item> {
  /** The key of the item whose worker added it. */
  readonly by: string;
  readonly item: Item;
}

/**
 * The journal's worker begins an item and stores its value, both within one attempt. The batch calls everything else. A result that the
 * journal returns stands in place of the batch's own, because it is the one that is stored.
 */
export interface BatchJournal<Item, Value> {
  /** In the order in which they were added. */
  readonly earlierAdditions: readonly EarlierAddition<Item>[];
  /** Takes items, in order, before any of them begins. Returns the result of each one that ended earlier. Throws to refuse them. */
  readonly declare: (items: readonly DeclaredItem<Item>[]) => (BatchResult<Value> | undefined)[];
  /** Whether `error` ends an item although it has retries left. */
  readonly isFinal: (error: Error) => boolean;
  readonly fail: (key: string, error: Error) => Promise<BatchResult<Value>>;
  readonly skip: (key: string, reason: string) => Promise<BatchResult<Value>>;
  /**
   * Called at the end of the batch for each item that the batch cancelled. Returns the item's result if the journal has one all the
   * same, as when the batch was stopped while the result was being stored.
   */
  readonly abandon: (key: string) => Promise<BatchResult<Value> | undefined>;
}

/** The options of a batch that has a journal; internal to this package. */
export interface JournaledOptions<Item, Value> extends BatchOptions<Item> {
  readonly journal: BatchJournal<Item, Value>;
  /** An upper bound that `concurrency` and `control` can't exceed. */
  readonly maxConcurrency: number;
}
