/** The speed of a run in this process, in constant memory: units that ended and records that were stored over time, and the slowest units. */
import type { StepId } from '../../registry/registry.ts';

const MAX_BUCKETS = 120;
const FIRST_BUCKET_MS = 250;
const MAX_SLOWEST = 10;

export interface SlowUnit {
  readonly batch: string | null;
  readonly key: string;
  /** The time of its last attempt in milliseconds. */
  readonly tookMs: number;
}

export interface Throughput {
  /** The begin of the first bucket, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly bucketMs: number;
  /** The number of units that ended in each bucket, and of records that were stored. */
  readonly units: readonly number[];
  readonly records: readonly number[];
}

export class RunTimings {
  readonly #startedMs = Date.now();
  readonly #zero = performance.now();
  readonly #begun = new Map<string, number>();
  /** The slowest unit is first. */
  #slowest: readonly SlowUnit[] = [];
  #bucketMs = FIRST_BUCKET_MS;
  #units: number[] = [];
  #records: number[] = [];
  #storedRecords = 0;

  begin(name: string): void {
    this.#begun.set(name, performance.now());
  }

  cancel(name: string): void {
    this.#begun.delete(name);
  }

  /** Notes the end of a unit. A step that contains others is not one of the slowest units. */
  end(name: string, { id, isContainer }: { readonly id: StepId; readonly isContainer: boolean }): void {
    const bucket = this.#bucket();
    this.#units[bucket] = (this.#units[bucket] ?? 0) + 1;
    const begun = this.#begun.get(name);
    this.#begun.delete(name);
    if (begun === undefined || isContainer) return;
    const tookMs = performance.now() - begun;
    if (this.#slowest.length === MAX_SLOWEST && tookMs <= (this.#slowest.at(-1)?.tookMs ?? 0)) return;
    const all = [...this.#slowest, { batch: id.batch, key: id.key, tookMs }];
    this.#slowest = all.sort((a, b) => b.tookMs - a.tookMs).slice(0, MAX_SLOWEST);
  }

  /** Notes the number of records that this process has stored so far. */
  noteRecords(stored: number): void {
    if (stored > this.#storedRecords) {
      const bucket = this.#bucket();
      this.#records[bucket] = (this.#records[bucket] ?? 0) + stored - this.#storedRecords;
    }
    this.#storedRecords = stored;
  }

  get slowest(): readonly SlowUnit[] {
    return this.#slowest;
  }

  get throughput(): Throughput {
    const length = this.#bucket() + 1;
    const fill = (numbers: readonly number[]) => Array.from({ length }, (_none, index) => numbers[index] ?? 0);
    return {
      startedMs: this.#startedMs,
      bucketMs: this.#bucketMs,
      units: fill(this.#units),
      records: fill(this.#records),
    };
  }

  /** Returns the index of the current bucket. If there are too many, makes them twice as long. */
  #bucket(): number {
    const elapsedMs = performance.now() - this.#zero;
    while (elapsedMs >= this.#bucketMs * MAX_BUCKETS) {
      this.#bucketMs *= 2;
      this.#units = halve(this.#units);
      this.#records = halve(this.#records);
    }
    return Math.floor(elapsedMs / this.#bucketMs);
  }
}

function halve(numbers: readonly number[]): number[] {
  return Array.from(
    { length: Math.ceil(numbers.length / 2) },
    (_none, index) => (numbers[2 * index] ?? 0) + (numbers[2 * index + 1] ?? 0),
  );
}
