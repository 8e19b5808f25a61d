/** A queue whose entries leave in the order of their arrival. Removing one takes constant time, also of 100 000. */

/** The minimum length of the consumed part of a line before it is dropped. It must also be the larger part. */
const MIN_COMPACTION = 1_024;

export class Line<Entry> {
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
