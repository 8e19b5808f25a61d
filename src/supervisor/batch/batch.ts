/**
 * Runs many items under one session's halt. Each item ends in exactly one of four ways, which the outcome reports in input order. p-queue
 * enforces the limits ({@link Admission}). The running items are tracked here, because work may still run when a queue is idle.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import { anySignal, settlesWithin } from '../../core/abort.ts';
import { ActionError, SupervisorError, toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { WebDriver } from '../../driver/driver.ts';
import { narrowApi, type Api } from '../api-client.ts';
import { HostLimits } from '../host-limits.ts';
import type { WorkCounts } from '../work-ledger.ts';
import { Admission } from './admission.ts';
import { Backlog } from './backlog.ts';
import { EarlierAdditions } from './earlier-additions.ts';
import { HostTurns } from './host-turns.ts';
import { EventLoopTurns } from './event-loop-turns.ts';
import { ItemAttempts, type AttemptEnd } from './item-attempts.ts';
import { BatchItems, RUNNING, type BatchItem } from './batch-items.ts';
import type { BatchJournal, DeclaredItem, JournaledOptions } from './batch-journal.ts';
import {
  validateOptions,
  type BatchOptions,
  type BatchOutcome,
  type BatchResult,
  type BatchWorker,
} from './options.ts';
import { pullItems } from './pull-items.ts';

export type { BatchOutcome, BatchWorker } from './options.ts';

/** The public options of a batch, or those of the run layer, which adds a journal. */
export type GivenOptions<Item, Value> = BatchOptions<Item> | JournaledOptions<Item, Value>;

/** The parts of a session that a batch uses. */
export interface BatchHost {
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly api: (signal: AbortSignal) => Api;
  readonly driver: () => WebDriver;
  readonly addGroup: (counts: () => WorkCounts) => () => void;
  /** Called for each item that was requested after the halt. */
  readonly refuse: () => void;
  /** Called for each item that was done. */
  readonly onDone: () => void;
}

/**
 * The time that workers have to end after their signal aborts. After it, the batch logs the keys of the remaining workers, stops waiting
 * for them, and drops their results.
 */
const DRAIN_LIMIT_MS = 2_000;
/** The maximum number of items that are pulled from an asynchronous iterable before a worker can take them. */
const MAX_ITEMS_AHEAD = 2;

/** Resolves with the outcome. Rejects only if the options or items can't be used, before any worker starts. */
export async function runBatch<Item, Value>(
  host: BatchHost,
  items: Iterable<Item> | AsyncIterable<Item>,
  { worker, options }: { worker: BatchWorker<Item, Value>; options: GivenOptions<Item, Value> },
): Promise<BatchOutcome<Value>> {
  validateOptions(options);
  const batch = new Batch(host, worker, options);
  return batch.run(items);
}

class Batch<Item, Value> {
  readonly #host: BatchHost;
  readonly #options: BatchOptions<Item>;
  readonly #journal: BatchJournal<Item, Value> | undefined;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #admission: Admission;
  readonly #attempts: ItemAttempts<Item, Value>;
  readonly #items = new BatchItems<Item, Value>();
  readonly #backlog: Backlog<BatchItem<Item, Value>, Item>;
  readonly #earlier: EarlierAdditions<Item>;
  readonly #turns = new EventLoopTurns(() => this.#inCallersContext(() => this.#feed()));
  /** Runs a function in the caller's asynchronous context: an added item belongs to the batch, not to the worker that added it. */
  readonly #inCallersContext = AsyncLocalStorage.snapshot();
  readonly #over = Promise.withResolvers<void>();
  /** The number of tasks that were passed to the admission and have not taken an item yet. */
  #unbound = 0;
  #isFeeding = false;
  #isOver = false;
  /** True while items may still come from an asynchronous iterable. */
  #isSourceOpen = false;
  /** Ends the source's wait for a worker that needs an item. */
  #wakeSource: (() => void) | undefined;
  /** The error of the iterable that supplies the items. Running items continue to their end; the others are cancelled. */
  #sourceError: Error | undefined;

  constructor(host: BatchHost, worker: BatchWorker<Item, Value>, options: GivenOptions<Item, Value>) {
    this.#host = host;
    this.#options = options;
    this.#journal = 'journal' in options ? options.journal : undefined;
    this.#signal = anySignal(host.signal, options.signal, this.#stop.signal);
    const { hostOf, perHost, priority } = options;
    const limit = perHost?.concurrency ?? 1;
    this.#backlog = new Backlog(priority, hostOf && new HostTurns({ hostOf, limit }));
    this.#admission = new Admission(options, 'journal' in options ? options.maxConcurrency : Infinity);
    const api = host.api(this.#signal);
    this.#attempts = new ItemAttempts<Item, Value>({
      worker,
      options,
      signal: this.#signal,
      api: options.perHost === undefined ? api : narrowApi(api, { limits: new HostLimits(options.perHost) }),
      driver: () => this.#lendDriver(),
      add: (item, by) => this.#add(item, by),
      admit: () => this.#admission.admit(),
      isFinal: (error) => this.#journal?.isFinal(error) ?? false,
      isLimitedByWorker: this.#journal !== undefined,
    });
    this.#earlier = new EarlierAdditions(this.#journal?.earlierAdditions ?? []);
  }

  async run(items: Iterable<Item> | AsyncIterable<Item>): Promise<BatchOutcome<Value>> {
    const leave = this.#host.addGroup(() => this.#items.counts);
    const onAbort = () => this.#cancel();
    this.#signal.addEventListener('abort', onAbort, { once: true });
    try {
      // All keys of a plain iterable are checked before any work starts.
      if (!(Symbol.asyncIterator in items)) this.#takeAll([...items]);
      if (this.#host.signal.aborted)
        for (let left = this.#items.counts.queued; left > 0; left -= 1) this.#host.refuse();
      if (this.#signal.aborted) this.#cancel();
      else if (Symbol.asyncIterator in items) void this.#pull(items);
      this.#feed();
      this.#noteEnd();
      await this.#over.promise;
      if (this.#signal.aborted) await this.#drain();
      const journal = this.#journal;
      if (journal !== undefined) await this.#items.correctCancelled((key) => journal.abandon(key));
      const stoppedBy = this.#signal.aborted ? toError(this.#signal.reason) : (this.#sourceError ?? null);
      return { ...this.#items.toOutcome(this.#earlier.ranks), stoppedBy };
    } finally {
      this.#isOver = true;
      leave();
      this.#admission.close();
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  /** Takes the items of a plain iterable. Throws `ActionError` if two of them have the same key. */
  #takeAll(items: readonly Item[]): void {
    const declared = items.map((item, index) => ({ item, key: this.#keyOf(item, index), addedBy: undefined }));
    const known = this.#journal?.declare(declared);
    for (const [index, { key, item }] of declared.entries()) {
      if (this.#items.has(key)) throw new ActionError(`Two items of one batch have the key "${key}".`);
      this.#enter({ key, item, isAdded: false, result: known?.[index] });
    }
    this.#takeEarlierAdditions(declared.map(({ key }) => key));
  }

  #keyOf(item: Item, index: number): string {
    const { key: toKey } = this.#options;
    const key = toKey === undefined ? String(index) : toKey(item, index);
    if (typeof key !== 'string' || key === '')
      throw new ActionError('The key of a batch item must be a text that is not empty.');
    return key;
  }

  /** Adds one item whose key is new. */
  #take(declared: DeclaredItem<Item>, { isAdded }: { readonly isAdded: boolean }): void {
    const result = this.#journal?.declare([declared])[0];
    this.#enter({ ...declared, isAdded, result });
  }

  #enter({ key, item, isAdded, result }: Entering<Item, Value>): void {
    const rank = this.#backlog.rate(item);
    const entry = this.#items.take(key, item, { isAdded });
    if (result !== undefined) {
      entry.item = undefined;
      this.#items.become(entry, result);
    } else if (this.#sourceError !== undefined) {
      this.#items.become(entry, { key, status: 'cancelled', error: this.#sourceError });
    } else {
      this.#backlog.put(entry, rank);
    }
  }

  /** Takes the items that workers added in an earlier entry of the run, because those workers may not run again to add them. */
  #takeEarlierAdditions(keys: readonly string[]): void {
    this.#earlier.follow(keys, (item) => {
      const key = this.#keyOf(item, this.#items.size);
      if (this.#items.has(key)) return undefined;
      this.#take({ key, item, addedBy: undefined }, { isAdded: true });
      return key;
    });
  }

  #add(item: Item, by: string): boolean {
    this.#signal.throwIfAborted();
    if (this.#isOver)
      throw new ActionError('An item was added to a batch that had ended. Add items while a worker runs.');
    const key = this.#keyOf(item, this.#items.size);
    if (this.#items.has(key)) return false;
    this.#take({ key, item, addedBy: by }, { isAdded: true });
    this.#takeEarlierAdditions([key]);
    // Deferred, because the next worker would otherwise begin in the middle of this one.
    queueMicrotask(() => this.#inCallersContext(() => this.#feed()));
    return true;
  }

  /** Passes to the admission only the tasks that it needs next. */
  #feed(): void {
    // A worker that begins at once calls this method again; the outer loop continues then.
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    while (this.#backlog.size > this.#unbound && !this.#admission.isFull) {
      // Only one task waits behind a rate limit or a pause; the next one is passed when it begins.
      if (this.#admission.isGated && this.#unbound > 0) break;
      if (this.#turns.isDue()) break;
      this.#unbound += 1;
      this.#admission.run(() => this.#serve());
    }
    this.#isFeeding = false;
    if (this.#backlog.size - this.#unbound < MAX_ITEMS_AHEAD) this.#wakeSource?.();
  }

  /** Takes an item when an attempt may begin, and works on it. Never rejects. */
  async #serve(): Promise<void> {
    const admitted = this.#admission.admit();
    if (admitted !== undefined) await admitted;
    this.#unbound -= 1;
    const entry = this.#signal.aborted ? undefined : this.#backlog.take();
    if (entry === undefined) return;
    const item = entry.item as Item;
    entry.item = undefined;
    this.#items.become(entry, RUNNING);
    const attempts = this.#attempts.run(entry.key, item);
    // This call must come last: a worker that begins in it may end the session, and this item would then have begun after the halt.
    this.#feed();
    const end = await attempts;
    this.#backlog.leave(entry);
    if (end.status === 'interrupted') return;
    const { key } = entry;
    const journal = this.#journal;
    const result =
      journal === undefined || end.status === 'done' ? { key, ...end } : await this.#store(key, end, journal);
    this.#items.become(entry, result);
    if (end.status === 'done') this.#host.onDone();
    if (end.status === 'failed' && isFatal(end.error)) this.#stop.abort(end.error);
    this.#noteEnd();
  }

  /** Stores the end of an item that failed or was skipped. Never rejects. */
  async #store(
    key: string,
    end: Extract<AttemptEnd<Value>, { status: 'failed' | 'skipped' }>,
    journal: BatchJournal<Item, Value>,
  ): Promise<BatchResult<Value>> {
    try {
      return await (end.status === 'failed' ? journal.fail(key, end.error) : journal.skip(key, end.reason));
    } catch (thrown) {
      return { key, status: 'failed', error: toError(thrown) };
    }
  }

  /** Pulls items as workers need them. Never rejects. */
  async #pull(items: AsyncIterable<Item>): Promise<void> {
    this.#isSourceOpen = true;
    try {
      await pullItems(items, {
        signal: this.#signal,
        waitForNeed: () => this.#waitForNeed(),
        onItem: (item) => this.#takePulled(item),
      });
    } catch (thrown) {
      if (!this.#signal.aborted) this.#failSource(toError(thrown));
    }
    this.#isSourceOpen = false;
    this.#noteEnd();
  }

  /** Returns undefined if a worker can take one more item at once. */
  #waitForNeed(): Promise<void> | undefined {
    if (this.#backlog.size - this.#unbound < MAX_ITEMS_AHEAD && !this.#turns.isDue()) return undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeSource = resolve;
    return promise;
  }

  #takePulled(item: Item): void {
    const key = this.#keyOf(item, this.#items.size);
    // A worker added the item before the iterable supplied it.
    if (this.#items.isAdded(key)) return;
    if (this.#items.has(key)) throw new ActionError(`Two items of one batch have the key "${key}".`);
    this.#take({ key, item, addedBy: undefined }, { isAdded: false });
    this.#takeEarlierAdditions([key]);
    this.#feed();
  }

  #failSource(error: Error): void {
    this.#sourceError = error;
    this.#backlog.clear();
    this.#items.cancelQueued(error);
  }

  /** Cancels every item without a result at once. Workers are notified by their signals. */
  #cancel(): void {
    const error = toError(this.#signal.reason);
    this.#backlog.clear();
    this.#items.cancelAll(error);
    this.#attempts.interrupt();
    this.#admission.close();
    this.#wakeSource?.();
    this.#over.resolve();
  }

  #noteEnd(): void {
    if (!this.#items.isSettled || this.#isSourceOpen) return;
    this.#isOver = true;
    this.#over.resolve();
  }

  #lendDriver(): WebDriver {
    const { concurrency } = this.#admission;
    if (concurrency === 1 && this.#items.counts.running <= 1) return this.#host.driver();
    throw new ActionError(
      `A batch worker used \`driver\` while ${concurrency} workers share one window. Set \`concurrency: 1\`, give the batch ` +
        'sessions of its own (`sessions`), or use `api`.',
    );
  }

  async #drain(): Promise<void> {
    if (await settlesWithin(this.#attempts.settle(), DRAIN_LIMIT_MS)) return;
    this.#host.log.warn('Batch workers ignored their signal; their later results are dropped', {
      keys: this.#attempts.runningKeys.slice(0, 10),
    });
  }
}

interface Entering<Item, Value> {
  readonly key: string;
  readonly item: Item;
  readonly isAdded: boolean;
  /** The item's result, if it ended earlier. */
  readonly result: BatchResult<Value> | undefined;
}

/** Returns true if an item's error makes the rest of the batch useless. */
function isFatal(error: Error): boolean {
  return error instanceof SupervisorError && error.consequence === 'abort-run';
}
