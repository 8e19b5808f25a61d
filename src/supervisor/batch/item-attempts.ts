/** Makes the attempts of items: calls the worker with its tools, its time limit and its retries. */
import { delay } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { isRetryable, retry, toFailure } from '../../core/retry.ts';
import type { WebDriver } from '../../driver/driver.ts';
import { ApiError, MAX_RETRY_AFTER_MS, narrowApi, type Api } from '../api-client.ts';
import type { BatchOptions, BatchTools, BatchWorker } from './options.ts';
import { TimeLimit } from './time-limit.ts';

/** The end of the work on an item. `interrupted`: the batch ended first, and gives the item its result. */
export type AttemptEnd<Value> =
  | { readonly status: 'done'; readonly value: Value }
  | { readonly status: 'failed'; readonly error: Error }
  | { readonly status: 'skipped'; readonly reason: string }
  | { readonly status: 'interrupted' };

export interface ItemAttemptsOptions<Item, Value> {
  readonly worker: BatchWorker<Item, Value>;
  readonly options: BatchOptions<Item>;
  /** Aborts at the end of the batch. */
  readonly signal: AbortSignal;
  readonly api: Api;
  readonly driver: () => WebDriver;
  readonly add: (item: Item, by: string) => boolean;
  /** Returns undefined if an attempt may begin at once. */
  readonly admit: () => Promise<void> | undefined;
  readonly isFinal: (error: Error) => boolean;
  /** True if the worker enforces the time limit itself, on the part of its work that belongs to the item. */
  readonly isLimitedByWorker: boolean;
}

const INTERRUPTED = { status: 'interrupted' } as const;

/** The state of one attempt. Each attempt has its own. */
interface Attempt {
  readonly number: number;
  skip: Skip | undefined;
}

export class ItemAttempts<Item, Value> {
  readonly #given: ItemAttemptsOptions<Item, Value>;
  /** The running workers by key, also those that continue after the batch ended and gave their item its result. */
  readonly #running = new Map<string, { readonly attempts: Promise<unknown>; readonly interrupt: () => void }>();
  /** Each controller ends one wait for a next attempt. */
  readonly #retries = new Set<AbortController>();

  constructor(given: ItemAttemptsOptions<Item, Value>) {
    this.#given = given;
  }

  /** The keys of the items whose workers have not ended. */
  get runningKeys(): string[] {
    return [...this.#running.keys()];
  }

  /** Calls the worker synchronously, and resolves with the end of the item. Never rejects. */
  run(key: string, item: Item): Promise<AttemptEnd<Value>> {
    const { signal } = this.#given;
    return new Promise((resolve) => {
      const interrupt = () => resolve(INTERRUPTED);
      const attempts = this.#tryUntilDone(key, item);
      this.#running.set(key, { attempts, interrupt });
      void attempts.then((end) => {
        this.#running.delete(key);
        resolve(end);
      });
      if (signal.aborted) interrupt();
    });
  }

  /** Ends the wait for all workers, because the batch has ended. */
  interrupt(): void {
    for (const { interrupt } of this.#running.values()) interrupt();
    for (const waiting of this.#retries) waiting.abort(this.#given.signal.reason);
  }

  /** Resolves when all workers have ended. */
  async settle(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ attempts }) => attempts));
  }

  /** Makes attempts until one succeeds or none is left. Never rejects. */
  async #tryUntilDone(key: string, item: Item): Promise<AttemptEnd<Value>> {
    let attempt: Attempt = { number: 1, skip: undefined };
    try {
      let value: Value;
      try {
        // The first attempt does not use p-retry, because most items need no other attempt.
        value = await this.#work(key, item, attempt);
      } catch (thrown) {
        value = await this.#retry(toError(thrown), {
          work: (number) => this.#work(key, item, (attempt = { number, skip: undefined })),
          mayRetry: (error) => attempt.skip === undefined && this.#isWorthRetrying(error),
        });
      }
      return attempt.skip === undefined ? { status: 'done', value } : attempt.skip.toEnd();
    } catch (thrown) {
      return attempt.skip === undefined ? { status: 'failed', error: toFailure(thrown) } : attempt.skip.toEnd();
    }
  }

  /** Makes the attempts after the first one, which failed with `first`. Rejects with the last error. */
  async #retry(
    first: Error,
    { work, mayRetry }: { work: (number: number) => Promise<Value>; mayRetry: (error: Error) => boolean },
  ): Promise<Value> {
    const { signal, admit, options } = this.#given;
    const { retries = 0 } = options;
    if (retries === 0 || !mayRetry(first)) throw first;
    // Each item waits with its own signal, because thousands of listeners on one signal take quadratic time.
    const end = new AbortController();
    this.#retries.add(end);
    try {
      return await retry(
        async (number) => {
          if (number === 1) throw first;
          await admit();
          signal.throwIfAborted();
          return work(number);
        },
        {
          retries,
          signal: end.signal,
          shouldRetry: mayRetry,
          beforeRetry: (error) => {
            const waitMs = retryAfterMsOf(error);
            return waitMs === 0 ? undefined : delay(waitMs, end.signal);
          },
        },
      );
    } finally {
      this.#retries.delete(end);
    }
  }

  #isWorthRetrying(error: Error): boolean {
    return isRetryable(error) && retryAfterMsOf(error) <= MAX_RETRY_AFTER_MS && !this.#given.isFinal(error);
  }

  #work(key: string, item: Item, attempt: Attempt): Promise<Value> {
    const { worker, options, signal, isLimitedByWorker } = this.#given;
    const { timeoutMs } = options;
    const limit = timeoutMs === undefined || isLimitedByWorker ? undefined : new TimeLimit({ key, timeoutMs, signal });
    const tools = new Tools(key, attempt, { given: this.#given, limit });
    const call = async () => worker(item, tools);
    return limit === undefined ? call() : limit.race(call);
  }
}

/** Creates each tool on first use, because most workers use few of them. All tools also work after destructuring. */
class Tools<Item, Value> implements BatchTools<Item> {
  readonly key: string;
  readonly attempt: number;
  readonly #attempt: Attempt;
  readonly #given: ItemAttemptsOptions<Item, Value>;
  readonly #limit: TimeLimit | undefined;
  #api: Api | undefined;

  constructor(
    key: string,
    attempt: Attempt,
    { given, limit }: { given: ItemAttemptsOptions<Item, Value>; limit: TimeLimit | undefined },
  ) {
    this.key = key;
    this.attempt = attempt.number;
    this.#attempt = attempt;
    this.#given = given;
    this.#limit = limit;
  }

  get signal(): AbortSignal {
    return this.#limit?.signal ?? this.#given.signal;
  }

  get api(): Api {
    const { api } = this.#given;
    if (this.#limit === undefined) return api;
    return (this.#api ??= narrowApi(api, { signal: this.#limit.signal }));
  }

  get driver(): WebDriver {
    return this.#given.driver();
  }

  get skip(): (reason: string) => never {
    return (reason) => {
      // Set before the throw, because the item is skipped even if the worker catches the error.
      this.#attempt.skip = new Skip(reason);
      throw this.#attempt.skip;
    };
  }

  get add(): (item: Item) => boolean {
    return (item) => {
      this.#limit?.throwIfExceeded();
      return this.#given.add(item, this.key);
    };
  }
}

class Skip extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`skipped: ${reason}`);
    this.reason = reason;
  }

  toEnd(): { readonly status: 'skipped'; readonly reason: string } {
    return { status: 'skipped', reason: this.reason };
  }
}

/** Returns the time in milliseconds that the server asked to wait before the next attempt; 0 if it did not ask. */
function retryAfterMsOf(error: Error): number {
  return error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
}
