/** What a run asks of its memory: the port that each kind of registry implements. */

/** Names a step: its own key, or its batch and the item's key. */
export interface StepId {
  /** Null for a step outside of batches. */
  readonly batch: string | null;
  readonly key: string;
}

export type StepStatus = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'skipped';

/** How a step ended, as it is kept. */
export type StepEnd =
  /** `value` is JSON text; undefined where the step returned nothing. */
  | { readonly status: 'done'; readonly value: string | undefined; readonly records: readonly RecordEntry[] }
  | { readonly status: 'failed'; readonly error: { readonly code: string; readonly message: string } }
  | { readonly status: 'skipped'; readonly reason: string };

/** A record as it is saved. Within its dataset the key is unique: the last one committed stays. */
export interface RecordEntry {
  readonly dataset: string;
  readonly key: string;
  /** One JSON object, as text. */
  readonly json: string;
}

/** The memory of one run; what steps and records are written to. All methods reject with `RegistryError` when nothing was kept. */
export interface RunStore {
  /** Ends a step, with its records, in one transaction. Returns the keys of records that another step had saved before. */
  endStep(id: StepId, end: StepEnd, order: number): Promise<readonly RecordEntry[]>;
  /** Saves one record at once; `order` places it among the steps. */
  saveRecord(record: RecordEntry, order: number): Promise<void>;
  /** All records in export order: that of their steps' declaration, then that of saving. */
  listRecords(): Promise<readonly RecordEntry[]>;
  countRecords(): Promise<number>;
  close(): Promise<void>;
}
