/** Batches of a run: the supervisor's batch, with each item done once and kept with its records. */
import { ActionError, toError } from '../core/errors.ts';
import {
  DEFAULT_CONCURRENCY,
  SessionDeathError,
  type BatchOutcome,
  type BatchResult,
  type BatchTools,
  type SessionSupervisor,
  type WebDriver,
} from '../supervisor/supervisor.ts';
import type { ActionBatchOptions, ItemTools } from './context.ts';
import { fromJsonText, toJsonText } from './json-value.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import type { Lane, SessionPool } from './session-pool.ts';
import type { RecordBuffer, Steps } from './steps.ts';

type Worker<Item, Value> = (item: Item, tools: ItemTools<Item>) => Promise<Value> | Value;

export interface BatchesOptions {
  readonly supervisor: SessionSupervisor;
  readonly steps: Steps;
  readonly ledger: Ledger;
  readonly runSignal: AbortSignal;
  readonly pool: SessionPool;
  /** From the command line: overrides the number that a batch asks for. */
  readonly sessions: number | undefined;
}

/** A death in a batch, with what was finished before it; the run layer recovers, and finished items are not done again. */
export class BatchDeathError extends SessionDeathError {
  readonly outcome: BatchOutcome<unknown>;

  constructor(death: SessionDeathError, outcome: BatchOutcome<unknown>) {
    super(death.death, { cause: death });
    this.name = 'SessionDeathError';
    this.outcome = outcome;
  }
}

export async function runActionBatch<Item, Value>(
  context: BatchesOptions,
  {
    name,
    items,
    worker,
    options,
  }: { name: string; items: Iterable<Item>; worker: Worker<Item, Value>; options: ActionBatchOptions<Item> },
): Promise<BatchOutcome<Value>> {
  const { supervisor, steps, runSignal } = context;
  steps.throwIfOver();
  steps.assertOutside('A batch');
  if (typeof name !== 'string' || name === '')
    throw new ActionError('A batch needs a name that is a text and not empty.');
  if (typeof options?.key !== 'function') {
    throw new ActionError(
      `The batch "${name}" needs a \`key\`: a function that names each item, the same on every run, such as (item) => item.id.`,
    );
  }
  const batch = new ActionBatch(context, { name, worker, options });
  const todo = batch.declareAll(items);
  const outcome = await supervisor.batch(todo, (item, tools) => batch.work(item, tools), {
    key: (item) => options.key(item),
    concurrency: batch.concurrency,
    ...(options.retries === undefined ? {} : { retries: options.retries }),
    ...(options.rateLimit === undefined ? {} : { rateLimit: options.rateLimit }),
    signal: runSignal,
  });
  const merged = await batch.settle(outcome);
  if (outcome.stoppedBy === null) return merged;
  const { reason }: { reason?: unknown } = supervisor.signal;
  throw reason instanceof SessionDeathError ? new BatchDeathError(reason, merged) : outcome.stoppedBy;
}

class ActionBatch<Item, Value> {
  readonly concurrency: number;
  readonly #context: BatchesOptions;
  readonly #name: string;
  readonly #worker: Worker<Item, Value>;
  readonly #options: ActionBatchOptions<Item>;
  readonly #sessions: number;
  readonly #entries = new Map<string, LedgerEntry>();

  constructor(
    context: BatchesOptions,
    { name, worker, options }: { name: string; worker: Worker<Item, Value>; options: ActionBatchOptions<Item> },
  ) {
    this.#context = context;
    this.#name = name;
    this.#worker = worker;
    this.#options = options;
    this.#sessions = options.sessions === undefined ? 0 : (context.sessions ?? options.sessions);
    this.concurrency = this.#sessions > 0 ? this.#sessions : (options.concurrency ?? DEFAULT_CONCURRENCY);
    if (options.sessions !== undefined && (!Number.isInteger(options.sessions) || options.sessions < 1)) {
      throw new ActionError(
        `The batch "${name}" asks for ${options.sessions} sessions; it must be a whole number of at least 1.`,
      );
    }
  }

  /** Declares every item, so that the total is known before work starts; returns those that are still to be done. */
  declareAll(items: Iterable<Item>): Item[] {
    const { ledger } = this.#context;
    const given = [...items].map((item) => ({ item, entry: this.#declare(item) }));
    // What workers added on an earlier entry of `run` is known, though they may not run again to add it.
    const added = ledger
      .addedTo(this.#name)
      .map((json) => fromJsonText<Item>(json))
      .filter((item) => !this.#entries.has(this.#options.key(item)))
      .map((item) => ({ item, entry: this.#declare(item) }));
    return [...given, ...added].filter(({ entry }) => entry.end === undefined).map(({ item }) => item);
  }

  async work(item: Item, tools: BatchTools<Item>): Promise<Value> {
    const { steps } = this.#context;
    const entry = this.#entryOf(item);
    steps.begin(entry);
    try {
      if (this.#sessions === 0) return await this.#attempt(item, { entry, tools });
      return await this.#onPooledSession(item, { entry, tools });
    } finally {
      steps.leave();
    }
  }

  /** Writes down how each item ended; the outcome then holds all items, those of earlier entries included, in input order. */
  async settle(outcome: BatchOutcome<Value>): Promise<BatchOutcome<Value>> {
    const { steps, ledger } = this.#context;
    const fresh = new Map(outcome.results.map((result) => [result.key, result]));
    const results: BatchResult<Value>[] = [];
    for (const [key, entry] of this.#entries) {
      const result = fresh.get(key);
      if (result?.status === 'failed') await steps.fail(entry, result.error);
      else if (result?.status === 'skipped') await steps.skip(entry, result.reason);
      else if (result?.status === 'cancelled' && entry.status === 'running') await steps.fail(entry, result.error);
      else if (result?.status === 'cancelled' && entry.status === 'queued') ledger.cancel(entry);
      results.push(
        toResult<Value>(key, entry) ?? result ?? { key, status: 'cancelled', error: toError(outcome.stoppedBy) },
      );
    }
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
      stoppedBy: outcome.stoppedBy,
    };
  }

  #declare(item: Item): LedgerEntry {
    const key = this.#options.key(item);
    if (typeof key !== 'string' || key === '') {
      throw new ActionError(
        `The \`key\` of batch "${this.#name}" must return a text that is not empty; it returned ${JSON.stringify(key) ?? 'nothing'}.`,
      );
    }
    const entry = this.#context.ledger.declare({ batch: this.#name, key });
    this.#entries.set(key, entry);
    return entry;
  }

  #entryOf(item: Item): LedgerEntry {
    const entry = this.#entries.get(this.#options.key(item));
    if (entry === undefined)
      throw new ActionError(
        `The \`key\` of batch "${this.#name}" gave one item two names. It must depend on the item alone.`,
      );
    return entry;
  }

  #attempt(
    item: Item,
    { entry, tools, lane }: { entry: LedgerEntry; tools: BatchTools<Item>; lane?: Lane },
  ): Promise<Value> {
    const { steps } = this.#context;
    const signal = lane?.signal ?? tools.signal;
    let skipReason: string | undefined;
    const work = async (records: RecordBuffer) => {
      const value = await this.#worker(item, {
        api: lane?.api ?? tools.api,
        // Taking it out by destructuring is no harm; using it is.
        driver: lane?.driver ?? (this.concurrency === 1 ? tools.driver : refusingDriver(tools)),
        signal,
        attempt: tools.attempt,
        save: records.save,
        skip: (reason) => {
          skipReason = reason;
          return tools.skip(reason);
        },
        add: (added) => this.#add(added, tools),
      });
      // Also where the worker caught what `skip` throws.
      if (skipReason !== undefined) tools.skip(skipReason);
      return value;
    };
    return steps.attempt(entry, { work, fence: signal });
  }

  /** The item's work on a session of the pool; a death there costs that session, not the batch. */
  #onPooledSession(item: Item, { entry, tools }: { entry: LedgerEntry; tools: BatchTools<Item> }): Promise<Value> {
    const { pool, steps } = this.#context;
    return pool.use((lane) => this.#attempt(item, { entry, tools, lane }), {
      size: this.#sessions,
      signal: tools.signal,
      onDeath: (death) => steps.countDeath(entry, death),
    });
  }

  #add(given: Item, tools: BatchTools<Item>): boolean {
    const json = toJsonText(given, `An item added to batch "${this.#name}"`);
    const item = fromJsonText<Item>(json);
    if (json === undefined || this.#entries.has(this.#options.key(item))) return false;
    this.#declare(item);
    this.#context.ledger.rememberAdded(this.#name, json);
    return tools.add(item);
  }
}

function toResult<Value>(key: string, { end }: LedgerEntry): BatchResult<Value> | undefined {
  if (end === undefined) return undefined;
  return end.status === 'done' ? { key, status: 'done', value: fromJsonText<Value>(end.value) } : { key, ...end };
}

/** Stands for the driver where workers share a window: any use of it tells why not. */
function refusingDriver<Item>(tools: BatchTools<Item>): WebDriver {
  return new Proxy({} as WebDriver, { get: () => tools.driver });
}
