/** The store of a working run. */
import type { Death } from '../../model/death.ts';
import type { StepCounts, StepStatus } from '../../model/run.ts';

/** Names a step: its own key, or its batch and the item's key. */
export interface StepId {
  /** Null for a step outside of batches. */
  readonly batch: string | null;
  readonly key: string;
  /** The row id of the step that contains this one or its batch; absent for a step of `run` itself. */
  readonly within?: string;
}

/** The end of a step as it is stored. */
export type StepEnd =
  /** `value` is JSON text; undefined if the step returned nothing. */
  | { readonly status: 'done'; readonly value: string | undefined; readonly records: readonly RecordEntry[] }
  | { readonly status: 'failed'; readonly error: { readonly code: string; readonly message: string } }
  | { readonly status: 'skipped'; readonly reason: string };

/** A step that is to be done, with its position in the order of first declaration. */
export interface StepDeclaration {
  readonly id: StepId;
  readonly order: number;
  /** For an item that a worker added: the worker's item, and the added item as JSON. */
  readonly added?: AddedItem;
}

export interface AddedItem {
  /** The key of the item on which the worker worked. */
  readonly by: string;
  readonly json: string;
}

/** A step as an earlier process left it. */
export interface StoredStep extends StepDeclaration {
  readonly status: StepStatus;
  /** True if it sent something that is not idempotent before it ended or was interrupted. */
  readonly hasEffects: boolean;
  readonly end:
    Exclude<StepEnd, { status: 'done' }> | { readonly status: 'done'; readonly value: string | undefined } | undefined;
}

/** A record as it is saved. The key is unique within its dataset: the last commit replaces earlier ones. */
export interface RecordEntry {
  readonly dataset: string;
  readonly key: string;
  /** One JSON object, as text. */
  readonly json: string;
}

/** A record that took the key of another step's record. */
export interface ReplacedRecord extends RecordEntry {
  /** True if both have the same content. */
  readonly isSame: boolean;
}

/** The position of a record that belongs to no step among the steps, and the number of its saves. */
export interface SavePosition {
  readonly order: number;
  /** The number of this save: 1 for the first. */
  readonly nth: number;
}

export interface StoredSave extends SavePosition, Pick<RecordEntry, 'dataset' | 'key'> {}

/** A step that ends with the current commit. */
export interface EndingStep {
  /** The id of its row. */
  readonly id: string;
  readonly status: StepEnd['status'];
}

/** Everything that changes while a run works, at one moment. It is written with each commit, for readers of the registry. */
export interface RunSnapshot {
  readonly counts: StepCounts;
  readonly display: { readonly done: number; readonly total: number; readonly label?: string } | null;
  readonly sessions: number;
  /** The number of steps and items that began on an existing session; `contextLosses` counts those that met another session later. */
  readonly reused: number;
  readonly contextLosses: number;
  readonly deaths: readonly Death[];
  readonly durationMs: number;
}

/** The end of a run. */
export interface RunEnd {
  readonly status: 'completed' | 'partial' | 'failed' | 'halted' | 'timed_out' | 'cancelled';
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Dataset -> file. */
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * The store of one run while it works. When a promise resolves, its data are stored, even if the process or the machine dies afterwards.
 * Work whose promise has not resolved may be stored or not, and is done again. All methods reject with `RegistryError` if something could
 * not be stored. They store nothing and reject with `LeaseLostError` if the run belongs to another process.
 */
export interface RunStore {
  /** Declares steps, so that a later process has their order. They are stored before anything that is stored by later calls. */
  declareSteps(steps: readonly StepDeclaration[]): void;
  /** Stores that a step begins. Resolves when that is stored, so that the work can begin afterwards. */
  beginStep(step: StepDeclaration): Promise<void>;
  /** Stores that a step is about to send something that is not idempotent. Resolves when that is stored. */
  noteEffect(step: StepDeclaration): Promise<void>;
  /** Stores the end of a step and its records in one transaction. Returns those of its records that another step had saved before. */
  endStep(id: StepId, end: StepEnd, order: number): Promise<readonly ReplacedRecord[]>;
  /** Finds stored records of other steps that these records of the step at `order` would replace. */
  findReplaced(records: readonly RecordEntry[], order: number): Promise<readonly ReplacedRecord[]>;
  /** Saves one record at once. */
  saveRecord(record: RecordEntry, position: SavePosition): Promise<void>;
  /** Notes that the snapshot has changed. It is written soon. */
  noteProgress(): void;
  /** Reads the steps of earlier processes in their order. */
  loadSteps(): AsyncIterable<StoredStep>;
  loadSaves(): AsyncIterable<StoredSave>;
  /** Reads all records in export order: that of their steps' declaration, then that of saving. */
  listRecords(): AsyncIterable<RecordEntry>;
  /** The number of records stored so far. */
  readonly recordCount: number;
  /**
   * Resolves if everything stored so far still exists, and the run and its output folder still belong to this process. Rejects with
   * `LeaseLostError`, `RegistryDivergedError`, or, for the folder, `ConfigError`.
   */
  prove(): Promise<void>;
  /** Stores the end of the run after everything that was requested before. Nothing is stored afterwards. */
  finish(end: RunEnd): Promise<void>;
  /** Stops without storing an end. */
  close(): Promise<void>;
}
