/** Batches of a run: the supervisor's batch, with each item done once and kept with its records. */
import { ActionError, toError } from '../core/errors.ts';
import { isRetryable } from '../core/retry.ts';
import type { AddedItem, StepId } from '../registry/registry.ts';
import {
  DEFAULT_CONCURRENCY,
  SessionDeathError,
  type BatchOutcome,
  type BatchResult,
  type BatchTools,
  type SessionSupervisor,
  type WebDriver,
} from '../supervisor/supervisor.ts';
import { watchEffects } from './command-guard.ts';
import type { ActionBatchOptions, ItemTools } from './context.ts';
import { fromJsonText, toJsonText } from './json-value.ts';
import { scopeOf, type Ledger, type LedgerEntry } from './ledger.ts';
import type { Lane, SessionPool } from './session-pool.ts';
import { validateKey, type RecordBuffer } from './record-buffer.ts';
import { PoisonedStepError } from './step-errors.ts';
import type { Steps } from './steps.ts';

type Worker<Item, Value> = (item: Item, tools: ItemTools<Item>) => Promise<Value> | Value;

export interface BatchesOptions {
  readonly supervisor: SessionSupervisor;
  readonly steps: Steps;
  readonly ledger: Ledger;
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
  const { supervisor, steps } = context;
  steps.throwIfOver();
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
    signal: steps.signal,
  });
  const merged = await batch.settle(outcome);
  if (outcome.stoppedBy === null) return merged;
  throw outcome.stoppedBy instanceof SessionDeathError
    ? new BatchDeathError(outcome.stoppedBy, merged)
    : outcome.stoppedBy;
}

class ActionBatch<Item, Value> {
  readonly concurrency: number;
  readonly #context: BatchesOptions;
  readonly #name: string;
  /** The batch, and the step that contains it. */
  readonly #scope: Pick<StepId, 'batch' | 'within'>;
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
    this.#scope = { batch: name, ...context.steps.scope('A batch') };
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
    const given = [...items];
    const entries = this.#declare(given.map((item) => ({ item })));
    const all = given.map((item, index) => ({ item, entry: entries[index] }));
    // What workers added on an earlier entry of `run` is known, though they may not run again to add it.
    for (const { by, json } of this.#context.ledger.addedTo(scopeOf(this.#scope))) {
      const item = fromJsonText<Item>(json);
      // Another batch of the same name takes only what its own items added.
      if (this.#entries.has(by) && !this.#entries.has(this.#options.key(item))) {
        all.push({ item, entry: this.#declare([{ item }])[0] });
      }
    }
    return all.filter(({ entry }) => entry?.end === undefined).map(({ item }) => item);
  }

  /** One attempt. What it comes to is written down before the batch is told, so that the counts are true at every moment. */
  async work(item: Item, tools: BatchTools<Item>): Promise<Value> {
    const { steps, supervisor } = this.#context;
    const entry = this.#entryOf(tools.key);
    // Given up for good, whatever attempts the batch would still allow.
    if (entry.end?.status === 'failed') throw entry.end.error;
    let skipReason: string | undefined;
    const onSkip = (reason: string | undefined) => void (skipReason = reason);
    steps.begin(entry, {
      session: this.#sessions === 0 ? supervisor.signal : undefined,
      isAlone: this.#sessions > 0 || this.concurrency === 1,
    });
    try {
      const work = { entry, tools, onSkip };
      return this.#sessions === 0 ? await this.#onSharedSession(item, work) : await this.#onPooledSession(item, work);
    } catch (thrown) {
      const error = toError(thrown);
      if (tools.signal.aborted) {
        await steps.abandon(entry);
      } else if (skipReason !== undefined) {
        await steps.skip(entry, skipReason);
        tools.skip(skipReason);
      } else if (this.#isFinal(error, tools.attempt)) {
        await steps.fail(entry, error);
      }
      throw error;
    } finally {
      steps.leave();
    }
  }

  /** The outcome of all items, those of earlier entries included, in input order. */
  async settle(outcome: BatchOutcome<Value>): Promise<BatchOutcome<Value>> {
    const { steps } = this.#context;
    const fresh = new Map(outcome.results.map((result) => [result.key, result]));
    const results: BatchResult<Value>[] = [];
    for (const [key, entry] of this.#entries) {
      const result = fresh.get(key);
      // Workers that were waiting, waiting to be tried again, or that don't heed their signal.
      if (entry.status === 'queued') steps.cancelQueued(entry);
      else if (entry.status === 'running') await steps.abandon(entry);
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

  #declare(items: readonly { readonly item: Item; readonly added?: AddedItem }[]): LedgerEntry[] {
    const steps = items.map(({ item, added }) => ({ id: this.#idOf(item), ...(added && { added }) }));
    const entries = this.#context.steps.declare(steps);
    for (const entry of entries) this.#entries.set(entry.id.key, entry);
    return entries;
  }

  #idOf(item: Item): StepId {
    const key = validateKey(this.#options.key(item), `An item of batch "${this.#name}"`);
    return { ...this.#scope, key };
  }

  #entryOf(key: string): LedgerEntry {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      throw new ActionError(
        `The \`key\` of batch "${this.#name}" gave one item two names. It must depend on the item alone.`,
      );
    }
    return entry;
  }

  #isFinal(error: Error, attempt: number): boolean {
    return attempt > (this.#options.retries ?? 0) || !isRetryable(error) || error instanceof PoisonedStepError;
  }

  #onSharedSession(item: Item, work: Work<Item>): Promise<Value> {
    const { tools } = work;
    const { api, signal } = tools;
    // Taking it out by destructuring is no harm; using it is.
    const driver = this.concurrency === 1 ? tools.driver : refusingDriver(tools);
    return this.#attempt(item, { ...work, lane: { api, driver, signal } });
  }

  /** The item's work on a session of the pool; a death there costs that session, not the batch. */
  async #onPooledSession(item: Item, work: Work<Item>): Promise<Value> {
    const { pool, steps } = this.#context;
    const { entry, tools } = work;
    for (;;) {
      try {
        return await pool.use(
          (lane) => {
            steps.moveTo(entry, lane.session);
            return this.#attempt(item, { ...work, lane });
          },
          { size: this.#sessions, signal: tools.signal },
        );
      } catch (thrown) {
        // The run's own death, or any other end of the batch, is told by its signal.
        if (tools.signal.aborted || !(thrown instanceof SessionDeathError)) throw thrown;
        await steps.written(entry);
        if (entry.end?.status === 'done') return fromJsonText<Value>(entry.end.value);
        steps.countDeath(entry, thrown);
      }
    }
  }

  #attempt(item: Item, { entry, tools, lane, onSkip }: Work<Item> & { readonly lane: Lane }): Promise<Value> {
    const { driver, signal } = lane;
    const { steps } = this.#context;
    const api = watchEffects(lane.api, () => steps.noteEffect(entry));
    let skipped: Error | undefined;
    onSkip(undefined);
    const work = async (records: RecordBuffer) => {
      const value = await this.#worker(item, {
        api,
        driver,
        signal,
        attempt: tools.attempt,
        save: records.save,
        skip: (reason) => {
          onSkip(reason);
          skipped = new Error(`skipped: ${reason}`);
          throw skipped;
        },
        add: (added) => this.#add(added, tools),
      });
      // Also where the worker caught what `skip` throws.
      if (skipped !== undefined) throw skipped;
      return value;
    };
    const takesState = this.#sessions === 0;
    return steps.attempt(entry, { work, fence: signal, takesState });
  }

  #add(given: Item, tools: BatchTools<Item>): boolean {
    const json = toJsonText(given, () => `An item added to batch "${this.#name}"`);
    // A worker that was left behind must not take a key from a later entry of `run`.
    tools.signal.throwIfAborted();
    const item = fromJsonText<Item>(json);
    if (json === undefined || this.#entries.has(this.#options.key(item))) return false;
    const added = { by: tools.key, json };
    this.#declare([{ item, added }]);
    this.#context.ledger.rememberAdded(scopeOf(this.#scope), added);
    return tools.add(item);
  }
}

interface Work<Item> {
  readonly entry: LedgerEntry;
  readonly tools: BatchTools<Item>;
  /** Undefined when the item is begun again. */
  readonly onSkip: (reason: string | undefined) => void;
}

function toResult<Value>(key: string, { end }: LedgerEntry): BatchResult<Value> | undefined {
  if (end === undefined) return undefined;
  return end.status === 'done' ? { key, status: 'done', value: fromJsonText<Value>(end.value) } : { key, ...end };
}

/** Stands for the driver where workers share a window: whoever uses it is told why not. */
function refusingDriver<Item>(tools: BatchTools<Item>): WebDriver {
  return new Proxy({} as WebDriver, { get: () => tools.driver });
}
