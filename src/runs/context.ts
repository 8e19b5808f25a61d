/** What an action is given: ordinary selenium, and a few functions that make its work countable, repeatable and storable. */
import type { Log } from '../core/log.ts';
import type { Api, BatchOptions, BatchOutcome, WebDriver } from '../supervisor/supervisor.ts';
import type { DownloadOptions } from './downloads.ts';

/** Saves a record with the step that it belongs to: both are kept, or neither. */
export type SaveRecord = (record: object, options: SaveOptions) => void;

export interface SaveOptions {
  /** Unique within the dataset; saving it again replaces the record. */
  readonly key: string;
  /** Names the file. Default `records`. */
  readonly dataset?: string;
}

export interface StepTools {
  /** The step's key. */
  readonly key: string;
  readonly save: SaveRecord;
  /** Aborts when the session dies, the run is cancelled, or the step's `timeoutMs` is over. */
  readonly signal: AbortSignal;
  /** 1 for the first attempt since `run` was entered. */
  readonly attempt: number;
  /** Whether an earlier attempt has begun and did not end, because its session or its program died. */
  readonly interrupted: boolean;
}

export interface StepOptions<Value = unknown> {
  /** Further attempts if the step fails; deaths don't count. @default 0 */
  readonly retries?: number;
  /** The step fails with the code `step-timed-out` after this time. @default none: the run itself ends when it makes no progress */
  readonly timeoutMs?: number;
  /**
   * Asked before an interrupted step is done again: did it happen? A value means yes, and becomes the step's value. `undefined` means
   * that the step is to be done again. With this option the beginning of the step is stored before its work starts.
   */
  readonly whenInterrupted?: (tools: StepTools) => Promise<Value | undefined> | Value | undefined;
}

export interface StepFunction {
  <Value>(
    key: string,
    work: (tools: StepTools) => Promise<Value> | Value,
    options?: StepOptions<Value>,
  ): Promise<Value>;
  /**
   * The key of the step that is running in the current asynchronous context, `batch/key` for a batch item; undefined outside of steps. A
   * helper function can use it, for example, as the idempotency key of a request.
   */
  readonly key: string | undefined;
}

export interface ItemTools<Item> {
  readonly api: Api;
  /** Of the worker's own session with `sessions`; without, only with `concurrency: 1`. */
  readonly driver: WebDriver;
  readonly save: SaveRecord;
  /** Declines the item: it counts as skipped. */
  readonly skip: (reason: string) => never;
  /** Appends an item to the batch; false where its key is known already. */
  readonly add: (item: Item) => boolean;
  readonly signal: AbortSignal;
  readonly attempt: number;
}

export interface ActionBatchOptions<Item> extends Omit<BatchOptions<Item>, 'key' | 'signal'> {
  /** Names an item within its batch: the same on every entry of `run`, for it is what makes the item's work happen once. */
  readonly key: (item: Item) => string;
  /** So many browser sessions, each with one worker at a time, so that workers may use `driver`. */
  readonly sessions?: number;
  /**
   * The time limit of one attempt in milliseconds. @default 90 % of the time after which the run counts as stuck. An item that exceeds the
   * default is not tried again.
   */
  readonly timeoutMs?: number;
}

/** What `prepare` gets. */
export interface PrepareContext<Params = Record<string, unknown>> {
  /** Selenium's driver of the session that this entry of `run` began with. */
  readonly driver: WebDriver;
  readonly api: Api;
  readonly params: Params;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly runId: string;
  readonly session: { readonly id: string; readonly owner: string; readonly epoch: number };
  /** The run's output folder, as an absolute path. Reading it creates the folder if it does not exist, also for runs without output files. */
  readonly folder: string;
  /** Saves a picture of the page into the run's folder; returns the file's path. */
  readonly screenshot: (name: string) => Promise<string>;
}

/** What `run` gets. All members may be taken out by destructuring. */
export interface ActionContext<Params = Record<string, unknown>> extends PrepareContext<Params> {
  /**
   * Does `work` once per run, whatever dies: a later entry gets its stored value at once. The value and the records saved in it are
   * stored together. Values are JSON; the caller gets the stored copy the first time too. `work` may contain steps and batches: when
   * it is done again, its finished parts are replayed, and the code between them runs again. Keys are unique within the step around.
   */
  readonly step: StepFunction;
  /**
   * Runs `worker` over `items` at the same time, each item once per run. Failed items are told in the outcome, not thrown; the
   * session's death rejects with a `SessionDeathError` that has the outcome so far as `outcome`.
   */
  readonly batch: <Item, Value>(
    name: string,
    items: Iterable<Item> | AsyncIterable<Item>,
    worker: (item: Item, tools: ItemTools<Item>) => Promise<Value> | Value,
    options: ActionBatchOptions<Item>,
  ) => Promise<BatchOutcome<Value>>;
  /**
   * Does `work`, which starts a download, and returns the absolute path of the file when it is complete. The file is in the folder
   * `downloads` of the run's output folder, in a folder of its own for each step; a step that is done again replaces it. Rejects with the
   * code `download-timed-out` if no file comes. Only for browsers on this machine.
   */
  readonly download: (work: () => unknown, options?: DownloadOptions) => Promise<string>;
  /** Saves a record outside of steps, kept at once. */
  readonly save: (record: object, options: SaveOptions) => Promise<void>;
  /** What the progress display shows instead of the counted steps. */
  readonly progress: (done: number, total: number, label?: string) => void;
}
