/** Queues entries in the order of their arrival, or by priority. */
import { ActionError } from '../../core/errors.ts';
import type { HostTurns } from './host-turns.ts';
import { Line } from './line.ts';

/** The rank of an item among those that wait. */
export interface Rank {
  readonly priority: number;
  readonly host: string | undefined;
}

export class Backlog<Entry extends object, Item> {
  readonly #priority: ((item: Item) => number) | undefined;
  readonly #hosts: HostTurns<Entry, Item> | undefined;
  readonly #entries: Line<Entry> | Heap<Entry>;

  /** Higher priorities come first. Without a `priority`, entries leave in the order of their arrival. */
  constructor(priority: ((item: Item) => number) | undefined, hosts?: HostTurns<Entry, Item>) {
    this.#priority = priority;
    this.#hosts = hosts;
    this.#entries = priority === undefined ? new Line() : new Heap();
  }

  get size(): number {
    return this.#entries.size + (this.#hosts?.size ?? 0);
  }

  /** Returns the rank of an item. Throws `ActionError` if its priority or host can't be used. */
  rate(item: Item): Rank {
    const priority: unknown = this.#priority?.(item) ?? 0;
    if (typeof priority === 'number' && !Number.isNaN(priority)) return { priority, host: this.#hosts?.read(item) };
    throw new ActionError(`The priority of a batch item is ${String(priority)}; it must be a number.`);
  }

  put(entry: Entry, { priority, host }: Rank): void {
    this.#hosts?.put(entry, host);
    this.#entries.put(entry, priority);
  }

  /** Removes and returns the next entry; undefined if there is none. */
  take(): Entry | undefined {
    const take = () => this.#entries.take();
    return this.#hosts === undefined ? take() : this.#hosts.take(take);
  }

  /** Called when an entry that was taken has ended. */
  leave(entry: Entry): void {
    this.#hosts?.leave(entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#hosts?.clear();
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
