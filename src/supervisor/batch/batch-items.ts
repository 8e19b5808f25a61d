/** The items of a batch and their states. The counts change together with the state of an item, so they add up at every moment. */
import type { BatchCounts, BatchResult } from './options.ts';

/** The state of an item. An item with a result never changes its state again. */
export type Fate<Value> = typeof QUEUED | typeof RUNNING | BatchResult<Value>;

/** The state of all queued items. They share one object, so that each of 100 000 queued items costs only one reference. */
export const QUEUED = { status: 'queued' } as const;
export const RUNNING = { status: 'running' } as const;

export interface BatchItem<Item, Value> {
  readonly key: string;
  /** The item. It is removed when its work begins, so that the batch then holds only its result. */
  item: Item | undefined;
  fate: Fate<Value>;
}

export class BatchItems<Item, Value> {
  readonly counts: Record<Fate<Value>['status'], number> = {
    queued: 0,
    running: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };
  /** The items from the input, by key, in input order. */
  readonly #given = new Map<string, BatchItem<Item, Value>>();
  /** The items that workers added, by key, in the order in which they were added. */
  readonly #added = new Map<string, BatchItem<Item, Value>>();

  get size(): number {
    return this.#given.size + this.#added.size;
  }

  /** True if each item has its result. */
  get isSettled(): boolean {
    return this.counts.queued + this.counts.running === 0;
  }

  has(key: string): boolean {
    return this.#given.has(key) || this.#added.has(key);
  }

  isAdded(key: string): boolean {
    return this.#added.has(key);
  }

  /** Adds an item whose key is new. In the outcome, items that workers added follow the items from the input. */
  take(key: string, item: Item, { isAdded }: { readonly isAdded: boolean }): BatchItem<Item, Value> {
    const entry: BatchItem<Item, Value> = { key, item, fate: QUEUED };
    (isAdded ? this.#added : this.#given).set(key, entry);
    this.counts.queued += 1;
    return entry;
  }

  /** Changes the state of an item. Does nothing if the item already has its result: later results are dropped. */
  become(entry: BatchItem<Item, Value>, fate: Fate<Value>): void {
    const { status } = entry.fate;
    if (status !== 'queued' && status !== 'running') return;
    this.#change(entry, fate);
  }

  cancelQueued(error: Error): void {
    for (const entry of this.#all()) {
      if (entry.fate.status === 'queued') this.become(entry, { key: entry.key, status: 'cancelled', error });
    }
  }

  cancelAll(error: Error): void {
    for (const entry of this.#all()) this.become(entry, { key: entry.key, status: 'cancelled', error });
  }

  /** Replaces the results of cancelled items for which `toResult` returns another result. */
  async correctCancelled(toResult: (key: string) => Promise<BatchResult<Value> | undefined>): Promise<void> {
    if (this.counts.cancelled === 0) return;
    for (const entry of this.#all()) {
      if (entry.fate.status !== 'cancelled') continue;
      const result = await toResult(entry.key);
      if (result !== undefined) this.#change(entry, result);
    }
  }

  /** Returns the outcome of a settled batch. `rank` orders added items; items without a rank come last. */
  toOutcome(rank: ReadonlyMap<string, number>): { counts: BatchCounts; results: BatchResult<Value>[] } {
    const { done, failed, cancelled, skipped } = this.counts;
    const rankOf = ({ key }: BatchItem<Item, Value>) => rank.get(key) ?? rank.size;
    const added = [...this.#added.values()];
    if (rank.size > 0) added.sort((a, b) => rankOf(a) - rankOf(b));
    return {
      counts: { total: this.size, done, failed, cancelled, skipped },
      results: [...this.#given.values(), ...added].map(({ fate }) => fate as BatchResult<Value>),
    };
  }

  *#all(): Generator<BatchItem<Item, Value>> {
    yield* this.#given.values();
    yield* this.#added.values();
  }

  #change(entry: BatchItem<Item, Value>, fate: Fate<Value>): void {
    this.counts[entry.fate.status] -= 1;
    this.counts[fate.status] += 1;
    entry.fate = fate;
  }
}
