/**
 * Many items under one session's halt. Each item ends in exactly one of four ways, and the outcome tells which, in input order: p-queue
 * keeps the order and the limits, but what is under way is kept here, because a queue that is idle may still have work running.
 */
import PQueue from 'p-queue';

import { anySignal, settlesWithin } from '../core/abort.ts';
import { ActionError, SupervisorError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { retry } from '../core/retry.ts';
import type { WebDriver } from '../driver/driver.ts';
import type { Api } from './api-client.ts';
import type { WorkCounts } from './work.ts';

export interface BatchOptions<Item> {
  /** Names an item in the outcome. Default: its position, from 0. Two items with one key are an `ActionError`. */
  readonly key?: (item: Item, index: number) => string;
  /** Workers at the same time. Default 5. */
  readonly concurrency?: number;
  /** Further attempts of an item whose worker fails. Default 0. */
  readonly retries?: number;
  /** No more than `count` items begin within any `perMs` milliseconds. */
  readonly rateLimit?: { readonly count: number; readonly perMs: number };
  /** Cancels what is left of the batch; the outcome tells of it. */
  readonly signal?: AbortSignal;
}

export interface BatchTools<Item> {
  /** Aborts when the session dies or the batch is cancelled. Hand it to whatever waits. */
  readonly signal: AbortSignal;
  readonly api: Api;
  /** Throws with a concurrency above 1: two workers in one window corrupt each other without a sound. */
  readonly driver: WebDriver;
  /** 1 for the first. */
  readonly attempt: number;
  readonly key: string;
  /** Declines the item: it counts as skipped. Never returns. */
  readonly skip: (reason: string) => never;
  /** Appends an item; false, and nothing happens, where its key is known already. */
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
  /** In input order; added items follow in the order of their adding. */
  readonly results: readonly BatchResult<Value>[];
  /** Why items were cancelled: the session's death, a critical failure, or the caller; null where the batch went to its end. */
  readonly stoppedBy: Error | null;
}

/** What the session lends to a batch. */
export interface BatchHost {
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly api: (signal: AbortSignal) => Api;
  readonly driver: () => WebDriver;
  readonly addGroup: (counts: () => WorkCounts) => () => void;
}

export const DEFAULT_CONCURRENCY = 5;
/** Workers that ignore their signal are waited for so long, then named and left; what they return later is dropped. */
const DRAIN_LIMIT_MS = 2_000;

type Entry<Item, Value> = { readonly item: Item; readonly key: string } & {
  state: { readonly status: 'queued' } | { readonly status: 'running' } | BatchResult<Value>;
};

/** Resolves with the outcome whatever happens, except for options that make no sense, which throw an `ActionError` at once. */
export async function runBatch<Item, Value>(
  host: BatchHost,
  items: Iterable<Item>,
  { worker, options }: { worker: BatchWorker<Item, Value>; options: BatchOptions<Item> },
): Promise<BatchOutcome<Value>> {
  const batch = new Batch(host, worker, options);
  return batch.run(items);
}

class Batch<Item, Value> {
  readonly #host: BatchHost;
  readonly #worker: BatchWorker<Item, Value>;
  readonly #options: BatchOptions<Item>;
  readonly #concurrency: number;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #api: Api;
  readonly #queue: PQueue;
  readonly #entries = new Map<string, Entry<Item, Value>>();
  readonly #running = new Map<Entry<Item, Value>, Promise<unknown>>();
  #queued = 0;

  constructor(host: BatchHost, worker: BatchWorker<Item, Value>, options: BatchOptions<Item>) {
    const { concurrency = DEFAULT_CONCURRENCY, rateLimit } = options;
    validateOptions(options);
    this.#host = host;
    this.#worker = worker;
    this.#options = options;
    this.#concurrency = concurrency;
    this.#signal = anySignal(host.signal, options.signal, this.#stop.signal);
    this.#api = host.api(this.#signal);
    this.#queue = new PQueue({
      concurrency,
      ...(rateLimit === undefined ? {} : { intervalCap: rateLimit.count, interval: rateLimit.perMs, strict: true }),
    });
  }

  async run(items: Iterable<Item>): Promise<BatchOutcome<Value>> {
    const leave = this.#host.addGroup(() => ({ queued: this.#queued, running: this.#running.size }));
    try {
      // All keys are looked at before any work starts.
      for (const item of items) {
        if (!this.#register(item)) throw new ActionError(`Two items of one batch have the key "${this.#keyOf(item)}".`);
      }
      for (const entry of [...this.#entries.values()]) this.#enqueue(entry);
      await this.#finish();
      return this.#outcome();
    } finally {
      leave();
    }
  }

  #keyOf(item: Item): string {
    const { key } = this.#options;
    return key === undefined ? String(this.#entries.size) : key(item, this.#entries.size);
  }

  #register(item: Item): Entry<Item, Value> | undefined {
    const key = this.#keyOf(item);
    if (typeof key !== 'string' || key === '')
      throw new ActionError('The key of a batch item must be a text that is not empty.');
    if (this.#entries.has(key)) return undefined;
    const entry: Entry<Item, Value> = { item, key, state: { status: 'queued' } };
    this.#entries.set(key, entry);
    return entry;
  }

  #enqueue(entry: Entry<Item, Value>): void {
    this.#queued += 1;
    void this.#queue
      .add(() => this.#begin(entry), { signal: this.#signal })
      .catch((thrown: unknown) => {
        // Only an abort gets here: #begin never rejects. An item that was waiting has left the queue.
        if (entry.state.status === 'queued') {
          this.#queued -= 1;
          entry.state = { key: entry.key, status: 'cancelled', error: toError(thrown) };
        }
      });
  }

  async #begin(entry: Entry<Item, Value>): Promise<void> {
    this.#queued -= 1;
    if (this.#signal.aborted) {
      entry.state = { key: entry.key, status: 'cancelled', error: toError(this.#signal.reason) };
      return;
    }
    entry.state = { status: 'running' };
    const work = Promise.withResolvers<void>();
    this.#running.set(entry, work.promise);
    entry.state = await this.#settle(
      entry,
      (attempts) => void attempts.finally(() => this.#leave(entry, work.resolve)),
    );
  }

  #leave(entry: Entry<Item, Value>, resolve: () => void): void {
    this.#running.delete(entry);
    resolve();
  }

  /** Never rejects. `onWork` gets the attempts themselves, which may outlive an abort. */
  async #settle(entry: Entry<Item, Value>, onWork: (attempts: Promise<unknown>) => void): Promise<BatchResult<Value>> {
    const { key, item } = entry;
    const { retries = 0 } = this.#options;
    let skipped: Skip | undefined;
    const attempts: Promise<unknown>[] = [];
    const outcome = retry(
      (attempt) => {
        const work = (async () =>
          this.#worker(item, this.#tools(entry, { attempt, onSkip: (skip) => void (skipped = skip) })))();
        attempts.push(work);
        return work;
      },
      { retries, signal: this.#signal, shouldRetry: (error) => skipped === undefined && isWorthAnotherAttempt(error) },
    );
    onWork(outcome.catch(() => undefined).then(() => Promise.allSettled(attempts)));
    try {
      const value = await outcome;
      this.#signal.throwIfAborted();
      return skipped === undefined
        ? { key, status: 'done', value }
        : { key, status: 'skipped', reason: skipped.reason };
    } catch (thrown) {
      const error = toError(thrown);
      if (this.#signal.aborted) return { key, status: 'cancelled', error: toError(this.#signal.reason) };
      if (skipped !== undefined) return { key, status: 'skipped', reason: skipped.reason };
      if (error instanceof SupervisorError && error.consequence === 'abort-run') this.#stop.abort(error);
      return { key, status: 'failed', error };
    }
  }

  #tools(
    entry: Entry<Item, Value>,
    { attempt, onSkip }: { attempt: number; onSkip: (skip: Skip) => void },
  ): BatchTools<Item> {
    const { driver } = this.#host;
    const concurrency = this.#concurrency;
    return {
      signal: this.#signal,
      api: this.#api,
      get driver() {
        if (concurrency === 1) return driver();
        throw new ActionError(
          `A batch worker used \`driver\` while ${concurrency} of them share one window. Set \`concurrency: 1\`, give the batch ` +
            'sessions of its own (`sessions`), or use `api`.',
        );
      },
      attempt,
      key: entry.key,
      skip: (reason) => {
        const skip = new Skip(reason);
        // Also where the worker catches what is thrown here: it said skip.
        onSkip(skip);
        throw skip;
      },
      add: (item) => {
        this.#signal.throwIfAborted();
        const added = this.#register(item);
        if (added !== undefined) this.#enqueue(added);
        return added !== undefined;
      },
    };
  }

  /** Until no item waits or runs; items may be added while it waits. */
  async #finish(): Promise<void> {
    while (this.#queued > 0 || this.#running.size > 0) {
      await this.#queue.onIdle();
      if (!this.#signal.aborted) continue;
      if (!(await settlesWithin(Promise.allSettled(this.#running.values()), DRAIN_LIMIT_MS))) {
        const left = [...this.#running.keys()].map(({ key }) => key);
        this.#host.log.warn('Batch workers did not heed their signal; what they still do is dropped', {
          keys: left.slice(0, 10),
        });
        return;
      }
    }
  }

  #outcome(): BatchOutcome<Value> {
    const results = [...this.#entries.values()].map(({ key, state }): BatchResult<Value> =>
      state.status === 'queued' || state.status === 'running'
        ? { key, status: 'cancelled', error: toError(this.#signal.reason) }
        : state,
    );
    const count = (status: BatchResult<Value>['status']) => results.filter((result) => result.status === status).length;
    return {
      counts: {
        total: results.length,
        done: count('done'),
        failed: count('failed'),
        cancelled: count('cancelled'),
        skipped: count('skipped'),
      },
      results,
      stoppedBy: this.#signal.aborted ? toError(this.#signal.reason) : null,
    };
  }
}

class Skip extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`skipped: ${reason}`);
    this.reason = reason;
  }
}

function isWorthAnotherAttempt(error: Error): boolean {
  return !(error instanceof SupervisorError) || error.consequence === 'retry' || error.consequence === 'fail-step';
}

function validateOptions<Item>({ concurrency = 1, retries = 0, rateLimit }: BatchOptions<Item>): void {
  const wrong =
    !Number.isInteger(concurrency) || concurrency < 1
      ? `concurrency is ${concurrency}; it must be a whole number of at least 1`
      : !Number.isInteger(retries) || retries < 0
        ? `retries is ${retries}; it must be a whole number of at least 0`
        : rateLimit !== undefined && !(rateLimit.count >= 1 && rateLimit.perMs > 0)
          ? 'rateLimit needs a count of at least 1 and perMs above 0'
          : undefined;
  if (wrong !== undefined) throw new ActionError(`A batch can't start: ${wrong}.`);
}
