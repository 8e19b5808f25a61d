/** What a run asks of its memory. */
import type { Death } from '../../model/death.ts';
import type { StepCounts, StepStatus } from '../../model/run.ts';

/** Names a step: its own key, or its batch and the item's key. */
export interface StepId {
  /** Null for a step outside of batches. */
  readonly batch: string | null;
  readonly key: string;
  /** The row id of the step that contains this one or its batch; absent for one that `run` itself asked for. */
  readonly within?: string;
}

/** How a step ended, as it is kept. */
export type StepEnd =
  /** `value` is JSON text; undefined where the step returned nothing. */
  | { readonly status: 'done'; readonly value: string | undefined; readonly records: readonly RecordEntry[] }
  | { readonly status: 'failed'; readonly error: { readonly code: string; readonly message: string } }
  | { readonly status: 'skipped'; readonly reason: string };

/** A step that is to be done, at its place in the order of first declaration. */
export interface StepDeclaration {
  readonly id: StepId;
  readonly order: number;
  /** For an item that a worker added: who did, and the item as JSON. */
  readonly added?: AddedItem;
}

export interface AddedItem {
  /** Key of the item that the worker worked on. */
  readonly by: string;
  readonly json: string;
}

/** A step as an earlier process left it. */
export interface StoredStep extends StepDeclaration {
  readonly status: StepStatus;
  /** Whether it sent something that is not idempotent before it ended or was interrupted. */
  readonly hasEffects: boolean;
  readonly end:
    Exclude<StepEnd, { status: 'done' }> | { readonly status: 'done'; readonly value: string | undefined } | undefined;
}

/** A record as it is saved. Within its dataset the key is unique: the last one committed stays. */
export interface RecordEntry {
  readonly dataset: string;
  readonly key: string;
  /** One JSON object, as text. */
  readonly json: string;
}

/** A record that took the key of another step's record. */
export interface ReplacedRecord extends RecordEntry {
  /** Whether both have the same content. */
  readonly isSame: boolean;
}

/** A record that belongs to no step: its place among the steps, and how often it was saved. */
export interface SavePosition {
  readonly order: number;
  /** 1 for the first. */
  readonly nth: number;
}

export interface StoredSave extends SavePosition, Pick<RecordEntry, 'dataset' | 'key'> {}

/** A step that ends with the commit under way. */
export interface EndingStep {
  /** The id of its row. */
  readonly id: string;
  readonly status: StepEnd['status'];
}

/** Everything about a run that changes while it works, at one moment; written with each commit, for whoever watches. */
export interface RunSnapshot {
  readonly counts: StepCounts;
  readonly display: { readonly done: number; readonly total: number; readonly label?: string } | null;
  readonly sessions: number;
  /** Units of work begun on a session that was handed down; and those that met another one than they began with. */
  readonly reused: number;
  readonly contextLosses: number;
  readonly deaths: readonly Death[];
  readonly durationMs: number;
}

/** How a run ended. */
export interface RunEnd {
  readonly status: 'completed' | 'partial' | 'failed' | 'halted' | 'timed_out' | 'cancelled';
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Dataset -> file. */
  readonly outputs: Readonly<Record<string, string>>;
}

/**
 * The memory of one run while it works. What a promise of it resolved for is kept, whatever dies afterwards; what it has not resolved for
 * may be kept or not, and is done again. All methods reject with `RegistryError` when something could not be kept, and with
 * `LeaseLostError`, keeping nothing, once the run belongs to somebody else.
 */
export interface RunStore {
  /** Steps to come, so that their order is known to a later process. Kept before anything that comes after it here. */
  declareSteps(steps: readonly StepDeclaration[]): void;
  /** Stores that a step begins. Resolves when that is stored, so that its work can begin afterwards. */
  beginStep(step: StepDeclaration): Promise<void>;
  /** Stores that a step is about to send something that is not idempotent. Resolves when that is stored. */
  noteEffect(step: StepDeclaration): Promise<void>;
  /** Ends a step, with its records, in one transaction. Returns the records of it that another step had saved before. */
  endStep(id: StepId, end: StepEnd, order: number): Promise<readonly ReplacedRecord[]>;
  /** Records of another step, by now stored, that these records of the step at `order` would replace. */
  findReplaced(records: readonly RecordEntry[], order: number): Promise<readonly ReplacedRecord[]>;
  /** Saves one record at once. */
  saveRecord(record: RecordEntry, place: SavePosition): Promise<void>;
  /** What the snapshot tells has changed; it is written soon. */
  noteProgress(): void;
  /** Steps of earlier processes, in their order. */
  loadSteps(): AsyncIterable<StoredStep>;
  loadSaves(): AsyncIterable<StoredSave>;
  /** All records in export order: that of their steps' declaration, then that of saving. */
  listRecords(): AsyncIterable<RecordEntry>;
  /** Records kept so far. */
  readonly recordCount: number;
  /**
   * Resolves if everything stored so far is there, and the run and its output folder still belong to this process. Rejects with
   * `LeaseLostError`, `RegistryDivergedError`, or, for the folder, `ConfigError`.
   */
  prove(): Promise<void>;
  /** The last word: waits for all that was asked before. Nothing is kept after it. */
  finish(end: RunEnd): Promise<void>;
  /** Stops without a last word. */
  close(): Promise<void>;
}
