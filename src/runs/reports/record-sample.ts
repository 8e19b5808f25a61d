/** The first records of each dataset, noted while the records are exported. */
import type { RecordEntry } from '../../registry/registry.ts';

const MAX_DATASETS = 20;
const MAX_RECORDS = 5;
/** A longer record is cut, so that the sample stays small. */
const MAX_RECORD_LETTERS = 4_000;

export interface DatasetSample {
  readonly dataset: string;
  /** The number of its records. */
  readonly records: number;
  /** The JSON texts of the first records. A long one is cut. */
  readonly first: readonly string[];
}

export class RecordSample {
  readonly #datasets = new Map<string, { records: number; readonly first: string[] }>();

  /** Returns the samples of the first datasets, in the order of their first records. */
  get datasets(): readonly DatasetSample[] {
    return [...this.#datasets].map(([dataset, sample]) => ({ dataset, ...sample }));
  }

  /** Passes the records on unchanged. */
  async *watch(records: AsyncIterable<RecordEntry>): AsyncGenerator<RecordEntry> {
    for await (const record of records) {
      this.#note(record);
      yield record;
    }
  }

  #note({ dataset, json }: RecordEntry): void {
    let sample = this.#datasets.get(dataset);
    if (sample === undefined) {
      if (this.#datasets.size >= MAX_DATASETS) return;
      sample = { records: 0, first: [] };
      this.#datasets.set(dataset, sample);
    }
    sample.records += 1;
    if (sample.first.length < MAX_RECORDS) sample.first.push(json.slice(0, MAX_RECORD_LETTERS));
  }
}
