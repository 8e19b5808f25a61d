/** The types of what an action receives: ordinary selenium, and the functions that count, repeat and store its work. */
import type { Log } from '../core/log.ts';
import type { Api, BatchOptions, BatchOutcome, WebDriver } from '../supervisor/supervisor.ts';
import type { DownloadOptions } from './downloads.ts';

/** Saves a record with the step that it belongs to: either both are stored, or neither is. */
export type SaveRecord = (record: object, options: SaveOptions) => void;

export interface SaveOptions {
  /** The key of the record, unique within the dataset. A second record with the same key replaces the first one. */
  readonly key: string;
  /** The name of the dataset, and of its file. @default 'records' */
  readonly dataset?: string;
}

export interface StepTools {
  /** The step's key. */
  readonly key: string;
  readonly save: SaveRecord;
  /** Aborts when the session dies, when the run is cancelled, or when the step's `timeoutMs` is over. */
  readonly signal: AbortSignal;
  /** The number of the attempt; 1 for the first one since `run` was entered. */
  readonly attempt: number;
  /** True if an earlier attempt began and did not end, because its session or its program died. */
  readonly interrupted: boolean;
}

export interface StepOptions<Value = unknown> {
  /** The maximum number of further attempts if the step fails. Deaths don't count. @default 0 */
  readonly retries?: number;
  /** The time in ms after which the step fails with `step-timed-out`. @default none: the run itself ends when it makes no progress */
  readonly timeoutMs?: number;
  /**
   * Called before an interrupted step is done again, to find out whether its work happened. If it returns a value, the work happened, and
   * the value becomes the step's value. If it returns `undefined`, the step is done again. With this option the beginning of the step is
   * stored before its work starts.
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
  /** With `sessions`, the driver of the worker's own session. Without it, usable only with `concurrency: 1`. */
  readonly driver: WebDriver;
  readonly save: SaveRecord;
  /** Declines the item, which then counts as skipped. */
  readonly skip: (reason: string) => never;
  /** Appends an item to the batch. Returns false if the batch already has its key. */
  readonly add: (item: Item) => boolean;
  readonly signal: AbortSignal;
  readonly attempt: number;
}

export interface ActionBatchOptions<Item> extends Omit<BatchOptions<Item>, 'key' | 'signal'> {
  /** Returns the key of an item, unique in its batch. It must be the same on every entry of `run`, so that the work happens once. */
  readonly key: (item: Item) => string;
  /** The number of browser sessions, each used by one worker at a time. With this option workers may use `driver`. */
  readonly sessions?: number;
  /**
   * The time limit of one attempt in milliseconds. @default 90 % of the time after which the run counts as stuck. An item that exceeds the
   * default is not tried again.
   */
  readonly timeoutMs?: number;
}

/** The context of `prepare`. */
export interface PrepareContext<Params = Record<string, unknown>> {
  /** Selenium's driver of the session that this entry of `run` began with. */
  readonly driver: WebDriver;
  readonly api: Api;
  readonly params: Params;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly runId: string;
  readonly session: { readonly id: string; readonly owner: string; readonly epoch: number };
  /** The absolute path of the run's output folder. Reading it creates the folder if it does not exist, also for runs without files. */
  readonly folder: string;
  /** Saves a screenshot of the page in the run's folder. Returns the file's path. */
  readonly screenshot: (name: string) => Promise<string>;
}

/** The context of `run`. All members may be destructured. */
export interface ActionContext<Params = Record<string, unknown>> extends PrepareContext<Params> {
  /**
   * Does `work` once per run, also if the session or the program dies: a later entry of `run` gets the stored value at once. The value
   * and the records saved in the step are stored together. Values are JSON; the caller gets the stored copy the first time, too. `work`
   * may contain steps and batches. When it is done again, its finished parts are replayed, and the code between them runs again. A key
   * must be unique within the step that contains it.
   */
  readonly step: StepFunction;
  /**
   * Runs `worker` over `items` concurrently, each item once per run. The outcome lists failed items; they are not thrown. If the session
   * dies, the batch rejects with a `SessionDeathError` that has the outcome so far as `outcome`.
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
   * code `download-timed-out` if no file comes. At a Selenium Grid the file is copied from the node, which must be started with
   * `--enable-managed-downloads true`; otherwise the code is `downloads-unavailable`, unless the node is on this machine.
   */
  readonly download: (work: () => unknown, options?: DownloadOptions) => Promise<string>;
  /** Saves a record outside of steps. It is stored at once. */
  readonly save: (record: object, options: SaveOptions) => Promise<void>;
  /** Sets what the progress display shows instead of the counted steps. */
  readonly progress: (done: number, total: number, label?: string) => void;
}
