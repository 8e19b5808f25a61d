/**
 * Many items under one session's halt. Each item ends in exactly one of four ways, and the outcome tells which, in input order: p-queue
 * keeps the order and the limits, but what is under way is kept here, because a queue that is idle may still have work running.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import PQueue from 'p-queue';

import { anySignal, raceSignal, settlesWithin } from '../core/abort.ts';
import { ActionError, SupervisorError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { isRetryable, retry } from '../core/retry.ts';
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
  /** Told of each item that was asked for after the halt. */
  readonly refuse: () => void;
}

export const DEFAULT_CONCURRENCY = 5;
/** Workers that ignore their signal are waited for so long, then named and left; what they return later is dropped. */
const DRAIN_LIMIT_MS = 2_000;
/** Timers of the platform go no further. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Fate<Value> = { readonly status: 'queued' } | { readonly status: 'running' } | BatchResult<Value>;
type Entry<Item, Value> = { readonly item: Item; readonly key: string } & { fate: Fate<Value> };

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
  /** Entries in their order; those before the first `#fed` are with the queue or beyond it. */
  readonly #backlog: Entry<Item, Value>[] = [];
  #fed = 0;
  #isFeeding = false;
  /** How the entries stand: changed together with each one's fate, so that they add up at every moment. */
  readonly #counts: Record<Fate<Value>['status'], number> = {
    queued: 0,
    running: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };
  /** What workers do, which may outlive their item's fate. */
  readonly #working = new Map<Entry<Item, Value>, Promise<unknown>>();
  #isOver = false;
  /** An added item is the batch's, not that of the worker that added it; so is what hangs on its asynchronous context. */
  readonly #inCallersContext = AsyncLocalStorage.snapshot();

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
    // All keys are looked at before any work starts.
    for (const item of items) {
      const key = this.#keyOf(item);
      if (!this.#register(item, key)) throw new ActionError(`Two items of one batch have the key "${key}".`);
    }
    if (this.#host.signal.aborted) this.#backlog.forEach(() => this.#host.refuse());
    const leave = this.#host.addGroup(() => this.#counts);
    try {
      this.#feed();
      await this.#finish();
      return this.#outcome();
    } finally {
      leave();
    }
  }

  #keyOf(item: Item): string {
    const { key: toKey } = this.#options;
    const key = toKey === undefined ? String(this.#entries.size) : toKey(item, this.#entries.size);
    if (typeof key !== 'string' || key === '')
      throw new ActionError('The key of a batch item must be a text that is not empty.');
    return key;
  }

  /** False, and nothing happens, where the key is known already. */
  #register(item: Item, key: string): boolean {
    if (this.#entries.has(key)) return false;
    const entry: Entry<Item, Value> = { item, key, fate: { status: 'queued' } };
    this.#entries.set(key, entry);
    this.#backlog.push(entry);
    this.#counts.queued += 1;
    return true;
  }

  /** Hands the queue what it needs next, and no more: a promise for each of 100 000 items would hold up the whole program. */
  #feed(): void {
    // A worker that begins at once leads back here; the loop that began it goes on.
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    while (!this.#signal.aborted && this.#fed < this.#backlog.length && this.#queue.size < this.#concurrency) {
      const entry = this.#backlog[this.#fed++];
      // It rejects when an abort finds the item waiting, and for nothing else: #work never rejects.
      if (entry !== undefined)
        this.#queue.add(() => this.#work(entry), { signal: this.#signal }).catch(() => undefined);
    }
    this.#isFeeding = false;
  }

  /** An item's fate is sealed once; what comes later is dropped. */
  #become(entry: Entry<Item, Value>, fate: Fate<Value>): void {
    const { status } = entry.fate;
    if (status !== 'queued' && status !== 'running') return;
    this.#counts[status] -= 1;
    this.#counts[fate.status] += 1;
    entry.fate = fate;
  }

  /** Never rejects. */
  async #work(entry: Entry<Item, Value>): Promise<void> {
    const { key, item } = entry;
    this.#become(entry, { status: 'running' });
    let skipped: Skip | undefined;
    const onSkip = (skip: Skip) => void (skipped = skip);
    const attempt = (number: number) => {
      const work = (async () => this.#worker(item, this.#tools(entry, { attempt: number, onSkip })))();
      const leave = () => void this.#working.delete(entry);
      this.#working.set(entry, work);
      work.then(leave, leave);
      return work;
    };
    const attempts = this.#tryUntilDone(attempt, () => skipped === undefined);
    // Only now: a worker that begins in here may end the session, and then this one would have begun after the halt.
    this.#feed();
    try {
      const value = await attempts;
      this.#signal.throwIfAborted();
      this.#become(entry, skipped === undefined ? { key, status: 'done', value } : skipped.toResult(key));
    } catch (thrown) {
      const error = toError(thrown);
      if (this.#signal.aborted) this.#cancel(entry);
      else if (skipped !== undefined) this.#become(entry, skipped.toResult(key));
      else {
        this.#become(entry, { key, status: 'failed', error });
        if (error instanceof SupervisorError && error.consequence === 'abort-run') this.#stop.abort(error);
      }
    }
  }

  #tryUntilDone(attempt: (number: number) => Promise<Value>, mayRetry: () => boolean): Promise<Value> {
    const { retries = 0 } = this.#options;
    const signal = this.#signal;
    if (retries === 0) return raceSignal(attempt(1), signal);
    return retry(attempt, { retries, signal, shouldRetry: (error) => mayRetry() && isRetryable(error) });
  }

  #cancel(entry: Entry<Item, Value>): void {
    this.#become(entry, { key: entry.key, status: 'cancelled', error: toError(this.#signal.reason) });
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
        if (this.#isOver)
          throw new ActionError('An item was added to a batch that had ended. Add items while a worker runs.');
        const isNew = this.#register(item, this.#keyOf(item));
        // Not at once: the next worker would begin in the middle of this one.
        if (isNew) queueMicrotask(() => this.#inCallersContext(() => this.#feed()));
        return isNew;
      },
    };
  }

  /** Until no item waits or runs; items may be added while it waits. */
  async #finish(): Promise<void> {
    while (!this.#signal.aborted && this.#counts.queued + this.#counts.running > 0) await this.#queue.onIdle();
    if (!this.#signal.aborted) return;
    for (const entry of this.#backlog) this.#cancel(entry);
    if (!(await settlesWithin(Promise.allSettled(this.#working.values()), DRAIN_LIMIT_MS))) {
      const left = [...this.#working.keys()].map(({ key }) => key);
      this.#host.log.warn('Batch workers did not heed their signal; what they still do is dropped', {
        keys: left.slice(0, 10),
      });
    }
  }

  #outcome(): BatchOutcome<Value> {
    this.#isOver = true;
    const { done, failed, cancelled, skipped } = this.#counts;
    return {
      counts: { total: this.#backlog.length, done, failed, cancelled, skipped },
      // Nothing is queued or running any more.
      results: this.#backlog.map(({ fate }) => fate as BatchResult<Value>),
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

  toResult(key: string): BatchResult<never> {
    return { key, status: 'skipped', reason: this.reason };
  }
}

function validateOptions<Item>({ concurrency = 1, retries = 0, rateLimit }: BatchOptions<Item>): void {
  const wrong =
    !Number.isInteger(concurrency) || concurrency < 1
      ? `concurrency is ${concurrency}; it must be a whole number of at least 1`
      : !Number.isInteger(retries) || retries < 0
        ? `retries is ${retries}; it must be a whole number of at least 0`
        : rateLimit !== undefined && !isRateLimit(rateLimit)
          ? 'rateLimit needs a count that is a whole number of at least 1, and perMs above 0 and at most 24 days'
          : undefined;
  if (wrong !== undefined) throw new ActionError(`A batch can't start: ${wrong}.`);
}

function isRateLimit({ count, perMs }: { count: number; perMs: number }): boolean {
  return Number.isInteger(count) && count >= 1 && perMs > 0 && perMs <= LONGEST_TIMER_MS;
}
