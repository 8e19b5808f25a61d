/** The options of a batch, the tools of its workers, and its outcome. */
import { ActionError } from '../../core/errors.ts';
import type { WebDriver } from '../../driver/driver.ts';
import type { Api } from '../api-client.ts';
import { validateHostLimits, type HostLimitOptions } from '../host-limits.ts';
import { describeWrongConcurrency, type BatchControl } from './batch-control.ts';

export interface BatchOptions<Item> {
  /**
   * Returns the key of an item, which identifies it in the outcome. Two items with the same key cause an `ActionError`. @default the item's
   * position, from 0
   */
  readonly key?: (item: Item, index: number) => string;
  /** The maximum number of workers at the same time; `Infinity` sets no limit. @default 5 */
  readonly concurrency?: number;
  /** The number of further attempts of an item whose worker fails. They count against `rateLimit`. @default 0 */
  readonly retries?: number;
  /**
   * The time limit of one attempt in milliseconds. An attempt that exceeds it fails with `ItemTimedOutError`; its signal aborts, and
   * its later results are dropped. @default no limit
   */
  readonly timeoutMs?: number;
  /** The rate limit: at most `count` attempts begin within any `perMs` milliseconds. */
  readonly rateLimit?: { readonly count: number; readonly perMs: number };
  /** Limits the API calls of the workers to each host. @default no limit */
  readonly perHost?: HostLimitOptions;
  /**
   * Returns the URL that an item calls, if it is known. While `perHost.concurrency` items of one host run (1 if that is not set), waiting
   * items of other hosts go first, so that one slow host does not take all workers.
   */
  readonly hostOf?: (item: Item) => string | URL | undefined;
  /**
   * Returns the priority of an item. Waiting items with a higher number begin first; items with equal numbers begin in their order.
   * @default 0 for each item
   */
  readonly priority?: (item: Item) => number;
  /** Changes the concurrency of the batch, pauses it and resumes it while it runs. */
  readonly control?: BatchControl;
  /** Cancels the rest of the batch. Its reason becomes `stoppedBy` of the outcome. */
  readonly signal?: AbortSignal;
}

export interface BatchTools<Item> {
  /** Aborts when the session dies, the batch is cancelled, or the attempt exceeds `timeoutMs`. Pass it to everything that waits. */
  readonly signal: AbortSignal;
  readonly api: Api;
  /** The session's driver. Throws if the concurrency is above 1, because workers that share one window disturb each other. */
  readonly driver: WebDriver;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  readonly key: string;
  /** Declines the item: it counts as skipped. Never returns. */
  readonly skip: (reason: string) => never;
  /** Appends an item to the batch. Returns false, and does nothing, if the batch already has an item with its key. */
  readonly add: (item: Item) => boolean;
}

export type BatchWorker<Item, Value> = (item: Item, tools: BatchTools<Item>) => Promise<Value> | Value;

export type BatchResult<Value> =
  | { readonly key: string; readonly status: 'done'; readonly value: Value }
  | { readonly key: string; readonly status: 'failed'; readonly error: Error }
  | { readonly key: string; readonly status: 'cancelled'; readonly error: Error }
  | { readonly key: string; readonly status: 'skipped'; readonly reason: string };

export interface BatchCounts {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
}

export interface BatchOutcome<Value> {
  readonly counts: BatchCounts;
  /** The results in input order. Results of added items follow in the order in which the items were added. */
  readonly results: readonly BatchResult<Value>[];
  /**
   * The reason for which items were cancelled: the session's death, an error that ends the run, the caller's signal, or an error of the
   * iterable that supplied the items. Null if the batch ran to its end.
   */
  readonly stoppedBy: Error | null;
}

export const DEFAULT_CONCURRENCY = 5;
/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Throws `ActionError` if an option can't be used. */
export function validateOptions<Item>(options: BatchOptions<Item>): void {
  const { concurrency = 1, retries = 0, timeoutMs, rateLimit } = options;
  const wrong =
    describeWrongConcurrency(concurrency) ??
    (!Number.isInteger(retries) || retries < 0
      ? `retries is ${retries}; it must be a whole number of at least 0`
      : timeoutMs !== undefined && !isTimerDelay(timeoutMs)
        ? `timeoutMs is ${timeoutMs}; it must be above 0 and at most 24 days`
        : rateLimit !== undefined && !isRateLimit(rateLimit)
          ? 'rateLimit needs a count that is a whole number of at least 1, and perMs above 0 and at most 24 days'
          : undefined);
  if (wrong !== undefined) throw new ActionError(`A batch can't start: ${wrong}.`);
  if (options.perHost !== undefined) validateHostLimits(options.perHost);
}

function isRateLimit({ count, perMs }: { count: number; perMs: number }): boolean {
  return Number.isInteger(count) && count >= 1 && isTimerDelay(perMs);
}

function isTimerDelay(ms: number): boolean {
  return ms > 0 && ms <= MAX_TIMER_MS;
}
