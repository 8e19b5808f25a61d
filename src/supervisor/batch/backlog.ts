/** Queues entries in the order of their arrival, or by priority. */
import { ActionError } from '../../core/errors.ts';

/** The minimum length of the consumed part of a line before it is dropped. It must also be the larger part. */
const MIN_COMPACTION = 1_024;

export class Backlog<Entry, Item> {
  readonly #priority: ((item: Item) => number) | undefined;
  readonly #entries: Line<Entry> | Heap<Entry>;

  /** Higher priorities come first. Without a `priority`, entries leave in the order of their arrival. */
  constructor(priority: ((item: Item) => number) | undefined) {
    this.#priority = priority;
    this.#entries = priority === undefined ? new Line() : new Heap();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Returns the priority of an item. Throws `ActionError` if it can't be used. */
  rate(item: Item): number {
    const priority: unknown = this.#priority?.(item) ?? 0;
    if (typeof priority === 'number' && !Number.isNaN(priority)) return priority;
    throw new ActionError(`The priority of a batch item is ${String(priority)}; it must be a number.`);
  }

  put(entry: Entry, priority: number): void {
    this.#entries.put(entry, priority);
  }

  /** Removes and returns the next entry; undefined if there is none. */
  take(): Entry | undefined {
    return this.#entries.take();
  }

  clear(): void {
    this.#entries.clear();
  }
}

class Line<Entry> {
  #entries: Entry[] = [];
  #head = 0;

  get size(): number {
    return this.#entries.length - this.#head;
  }

  put(entry: Entry): void {
    this.#entries.push(entry);
  }

  take(): Entry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head += 1;
    if (this.#head >= MIN_COMPACTION && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
  }
}

/** A binary heap with the highest priority first. It stores its numbers in arrays, which cost less per entry than objects. */
export class Heap<Entry> {
  #entries: Entry[] = [];
  #priorities: number[] = [];
  /** The positions of the entries in the order of their arrival, which decide between equal priorities. */
  #orders: number[] = [];
  #nextOrder = 0;

  get size(): number {
    return this.#entries.length;
  }

  put(entry: Entry, priority: number): void {
    let index = this.#entries.push(entry) - 1;
    this.#priorities.push(priority);
    this.#orders.push(this.#nextOrder++);
    for (let parent = (index - 1) >> 1; index > 0 && this.#isBefore(index, parent); parent = (index - 1) >> 1) {
      this.#swap(index, parent);
      index = parent;
    }
  }

  take(): Entry | undefined {
    const last = this.#entries.length - 1;
    if (last > 0) this.#swap(0, last);
    const entry = this.#entries.pop();
    this.#priorities.pop();
    this.#orders.pop();
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      if (left >= last) return entry;
      const right = left + 1;
      const child = right < last && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, index)) return entry;
      this.#swap(index, child);
      index = child;
    }
  }

  clear(): void {
    this.#entries = [];
    this.#priorities = [];
    this.#orders = [];
  }

  #isBefore(a: number, b: number): boolean {
    const first = this.#priorities[a] ?? 0;
    const second = this.#priorities[b] ?? 0;
    return first === second ? (this.#orders[a] ?? 0) < (this.#orders[b] ?? 0) : first > second;
  }

  #swap(a: number, b: number): void {
    swap(this.#entries, a, b);
    swap(this.#priorities, a, b);
    swap(this.#orders, a, b);
  }
}

function swap<Value>(list: Value[], a: number, b: number): void {
  const [first, second] = [list[a], list[b]];
  if (first === undefined || second === undefined) return;
  list[a] = second;
  list[b] = first;
}
