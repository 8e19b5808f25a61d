/** The last entries of a kind, limited by their age, their number and their size. */

/** An entry with the time at which it happened, in milliseconds since 1970. */
export interface Timed {
  readonly atMs: number;
}

export interface RingLimits<Entry> {
  readonly maxAgeMs: number;
  readonly maxCount: number;
  /** The maximum size of all entries, in the unit of `sizeOf`. @default no limit */
  readonly maxSize?: number;
  readonly sizeOf?: (entry: Entry) => number;
}

export class Ring<Entry extends Timed> {
  readonly #limits: RingLimits<Entry>;
  /** The newest entry is last. */
  readonly #entries: Entry[] = [];
  #size = 0;

  constructor(limits: RingLimits<Entry>) {
    this.#limits = limits;
  }

  /** Adds an entry, and drops the oldest ones that exceed a limit. An entry that is too large by itself is dropped. */
  add(entry: Entry): void {
    const { maxAgeMs, maxCount, maxSize = Infinity } = this.#limits;
    this.#entries.push(entry);
    this.#size += this.#sizeOf(entry);
    const isOver = ({ atMs }: Entry) =>
      this.#entries.length > maxCount || this.#size > maxSize || atMs < entry.atMs - maxAgeMs;
    for (let [oldest] = this.#entries; oldest !== undefined && isOver(oldest); [oldest] = this.#entries) this.#drop();
  }

  /** Returns the entries that are not older than the limit at the time `nowMs`, the oldest first. */
  list(nowMs: number): Entry[] {
    return this.#entries.filter(({ atMs }) => atMs >= nowMs - this.#limits.maxAgeMs);
  }

  clear(): void {
    this.#entries.length = 0;
    this.#size = 0;
  }

  #drop(): void {
    const entry = this.#entries.shift();
    if (entry !== undefined) this.#size -= this.#sizeOf(entry);
  }

  #sizeOf(entry: Entry): number {
    return this.#limits.sizeOf?.(entry) ?? 0;
  }
}
