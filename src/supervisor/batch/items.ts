/** The items of a batch and how each of them stands. The counts change together with an item, so they add up at every moment. */
import type { BatchCounts, BatchResult } from './options.ts';

/** How an item stands. An item that has a result keeps it. */
export type Fate<Value> = typeof QUEUED | typeof RUNNING | BatchResult<Value>;

/** One object for all items: 100 000 queued ones then cost one reference each. */
export const QUEUED = { status: 'queued' } as const;
export const RUNNING = { status: 'running' } as const;

export interface BatchItem<Item, Value> {
  readonly key: string;
  /** Undefined once the item has begun, so that the batch keeps no more than its result. */
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
  /** By key, in input order. */
  readonly #given = new Map<string, BatchItem<Item, Value>>();
  /** By key, in the order in which they were added. */
  readonly #added = new Map<string, BatchItem<Item, Value>>();

  get size(): number {
    return this.#given.size + this.#added.size;
  }

  /** Whether each item has its result. */
  get isSettled(): boolean {
    return this.counts.queued + this.counts.running === 0;
  }

  has(key: string): boolean {
    return this.#given.has(key) || this.#added.has(key);
  }

  isAdded(key: string): boolean {
    return this.#added.has(key);
  }

  /** Takes an item whose key is new. Added items follow the given ones in the outcome. */
  take(key: string, item: Item, { isAdded }: { readonly isAdded: boolean }): BatchItem<Item, Value> {
    const entry: BatchItem<Item, Value> = { key, item, fate: QUEUED };
    (isAdded ? this.#added : this.#given).set(key, entry);
    this.counts.queued += 1;
    return entry;
  }

  /** Does nothing if the item has its result already: what comes later is dropped. */
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

  /** Replaces a cancelled item's result if `toResult` knows a better one. */
  async correctCancelled(toResult: (key: string) => Promise<BatchResult<Value> | undefined>): Promise<void> {
    if (this.counts.cancelled === 0) return;
    for (const entry of this.#all()) {
      if (entry.fate.status !== 'cancelled') continue;
      const result = await toResult(entry.key);
      if (result !== undefined) this.#change(entry, result);
    }
  }

  /** Only for a batch that is settled. `rank` orders added items before those without a rank. */
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
