/** Runs the batches of a run: the supervisor's batch with a journal, so that each item is done once and stored with its records. */
import { ActionError, InvariantError, stackOf, toError } from '../../core/errors.ts';
import type { AddedItem, StepId } from '../../registry/registry.ts';
import {
  DEFAULT_CONCURRENCY,
  HostLimits,
  ItemTimedOutError,
  narrowApi,
  SessionDeathError,
  SessionEndedError,
  TimeLimit,
  type BatchJournal,
  type BatchOutcome,
  type BatchResult,
  type BatchTools,
  type DeclaredItem,
  type EarlierAddition,
  type JournaledOptions,
  type SessionSupervisor,
  type WebDriver,
} from '../../supervisor/supervisor.ts';
import { watchEffects } from '../replay/command-guard.ts';
import type { ActionBatchOptions, ItemTools } from '../context.ts';
import { fromJsonText, toJsonText } from './json-value.ts';
import { scopeOf, type Ledger, type LedgerEntry } from '../replay/ledger.ts';
import { validateKey, type RecordBuffer } from './record-buffer.ts';
import type { WorkerSession, SessionPool } from '../sessions/session-pool.ts';
import type { SessionRenewals } from '../sessions/session-renewals.ts';
import type { Steps } from './steps.ts';
import type { SessionTidier } from '../sessions/session-tidier.ts';
import { PoisonedStepError } from '../errors.ts';

type Worker<Item, Value> = (item: Item, tools: ItemTools<Item>) => Promise<Value> | Value;

export interface BatchesOptions {
  readonly supervisor: SessionSupervisor;
  readonly steps: Steps;
  readonly ledger: Ledger;
  readonly pool: SessionPool;
  /** The tidier of the run's own session. */
  readonly tidier: SessionTidier;
  readonly renewals: SessionRenewals;
  /** The number of sessions from the command line, which overrides the number of a batch. */
  readonly sessions: number | undefined;
  /** The time without progress after which the run is stuck. */
  readonly stuckAfterMs: number;
}

/** A death in a batch, with the outcome so far. The run recovers, and finished items are not done again. */
class BatchDeathError extends SessionDeathError {
  readonly outcome: BatchOutcome<unknown>;

  constructor(death: SessionDeathError, outcome: BatchOutcome<unknown>) {
    super(death.death, { cause: death });
    this.name = 'SessionDeathError';
    this.outcome = outcome;
  }
}

interface BatchParts<Item, Value> {
  readonly name: string;
  readonly items: Iterable<Item> | AsyncIterable<Item>;
  readonly worker: Worker<Item, Value>;
  readonly options: ActionBatchOptions<Item>;
}

/** The default time limit of an item, as a part of the run's stuck timeout: a hanging item fails before the run is ended because of it. */
const ITEM_PART_OF_STUCK_TIMEOUT = 0.9;
/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export async function runActionBatch<Item, Value>(
  context: BatchesOptions,
  parts: BatchParts<Item, Value>,
): Promise<BatchOutcome<Value>> {
  const { supervisor, steps, renewals } = context;
  const { name, items, options } = parts;
  const stack = stackOf(new Error('call'));
  const { signal: session } = supervisor;
  const wasAlive = !session.aborted;
  steps.throwIfOver();
  if (typeof name !== 'string' || name === '')
    throw new ActionError('The name of a batch must be a string that is not empty.');
  if (typeof options?.key !== 'function') {
    throw new ActionError(
      `The batch "${name}" needs a \`key\`: a function that returns the key of an item, the same on every run, such as (item) => item.id.`,
    );
  }
  const batch = new ActionBatch(context, parts, stack);
  const outcome = await supervisor.batch<Item, Value>(
    items,
    (item, tools) => batch.work(item, tools),
    batch.engineOptions,
  );
  if (outcome.stoppedBy === null) return outcome;
  if (wasAlive && supervisor.signal === session && outcome.stoppedBy instanceof SessionEndedError)
    throw renewals.ask('ended');
  throw outcome.stoppedBy instanceof SessionDeathError
    ? new BatchDeathError(outcome.stoppedBy, outcome)
    : outcome.stoppedBy;
}

class ActionBatch<Item, Value> implements BatchJournal<Item, Value> {
  readonly #context: BatchesOptions;
  readonly #name: string;
  /** The batch, and the step that contains it. */
  readonly #scope: Pick<StepId, 'batch' | 'within'>;
  readonly #worker: Worker<Item, Value>;
  readonly #options: ActionBatchOptions<Item>;
  readonly #sessions: number;
  readonly #limits: HostLimits | undefined;
  readonly #entries = new Map<string, LedgerEntry>();
  /** The stack of the call of `batch`. */
  readonly #stack: string | undefined;

  constructor(context: BatchesOptions, { name, worker, options }: BatchParts<Item, Value>, stack: string | undefined) {
    this.#context = context;
    this.#stack = stack;
    this.#name = name;
    this.#scope = { batch: name, ...context.steps.scope('A batch') };
    this.#worker = worker;
    this.#options = options;
    this.#limits = options.perHost === undefined ? undefined : new HostLimits(options.perHost);
    if (options.sessions !== undefined && (!Number.isInteger(options.sessions) || options.sessions < 1)) {
      throw new ActionError(
        `The batch "${name}" asks for ${options.sessions} sessions; it must be a whole number of at least 1.`,
      );
    }
    this.#sessions = options.sessions === undefined ? 0 : context.pool.fit(context.sessions ?? options.sessions);
  }

  get engineOptions(): JournaledOptions<Item, Value> {
    const { sessions: _sessions, ...options } = this.#options;
    const usesSessions = this.#sessions > 0;
    return {
      ...options,
      ...(usesSessions ? { concurrency: this.#sessions } : {}),
      maxConcurrency: usesSessions ? this.#sessions : Infinity,
      key: (item) => this.#keyOf(item),
      signal: this.#context.steps.scopeSignal,
      journal: this,
    };
  }

  get earlierAdditions(): readonly EarlierAddition<Item>[] {
    // Another batch of the same name may have other items. The engine uses only those that items of this batch added.
    return this.#context.ledger
      .addedTo(scopeOf(this.#scope))
      .map(({ by, json }) => ({ by, item: fromJsonText<Item>(json) }));
  }

  declare(items: readonly DeclaredItem<Item>[]): (BatchResult<Value> | undefined)[] {
    const { steps, ledger } = this.#context;
    const declared = items.map(({ item, key, addedBy }) => {
      if (this.#keyOf(item) !== key) {
        throw new ActionError(
          `The \`key\` of batch "${this.#name}" returned two keys for one item. It must depend on the item alone.`,
        );
      }
      const id: StepId = { ...this.#scope, key };
      const json = addedBy === undefined ? undefined : this.#toJson(item);
      const added: AddedItem | undefined =
        addedBy === undefined || json === undefined ? undefined : { by: addedBy, json };
      return { id, ...(added && { added }) };
    });
    const entries = steps.declare(declared);
    for (const { added } of declared) if (added !== undefined) ledger.rememberAdded(scopeOf(this.#scope), added);
    for (const entry of entries) {
      this.#entries.set(entry.id.key, entry);
      if (entry.end !== undefined) steps.noteReplay(entry, { stack: this.#stack, leavesPage: this.#leavesPage });
    }
    return entries.map((entry) => toResult<Value>(entry));
  }

  /** Makes one attempt. Its value is stored before the batch gets it, so that the counts are right at every moment. */
  async work(item: Item, tools: BatchTools<Item>): Promise<Value> {
    const { steps, supervisor, tidier } = this.#context;
    const entry = this.#entryOf(tools.key);
    const work: Work<Item> = { entry, tools, skipReason: undefined, session: undefined };
    const isOnOwnSession = this.#sessions === 0 && this.#concurrency === 1;
    if (isOnOwnSession && tidier.isDue(supervisor)) await this.#tidy(tools);
    if (isOnOwnSession) work.session = supervisor.signal;
    const takeBack = isOnOwnSession ? tidier.lend(supervisor) : undefined;
    steps.begin(entry, {
      session: this.#sessions === 0 ? supervisor.signal : undefined,
      isAlone: this.#sessions > 0 || this.#concurrency === 1,
    });
    try {
      return this.#sessions === 0 ? await this.#onSharedSession(item, work) : await this.#onPooledSession(item, work);
    } catch (thrown) {
      takeBack?.();
      if (isOnOwnSession && !tools.signal.aborted) await tidier.tidyAfter(supervisor, thrown);
      await this.#storeOwnFailure(work, thrown);
      if (work.skipReason !== undefined) tools.skip(work.skipReason);
      throw thrown;
    } finally {
      takeBack?.();
      steps.leave();
    }
  }

  /** Tidies the run's own session for the next item. Throws if that fails; `run` is then entered again. */
  async #tidy({ signal }: BatchTools<Item>): Promise<void> {
    const { supervisor, tidier, renewals } = this.#context;
    const isTidy = await tidier.tidy(supervisor);
    signal.throwIfAborted();
    if (!isTidy) throw renewals.ask('stuck');
  }

  /** Ends an item that has ended the run's own session, and with it the batch, as failed: it would end the next session, too. */
  async #storeOwnFailure({ entry, session, skipReason }: Work<Item>, thrown: unknown): Promise<void> {
    const { steps, supervisor } = this.#context;
    if (session !== supervisor.signal || !(session.reason instanceof SessionEndedError)) return;
    if (skipReason === undefined) await steps.fail(entry, toError(thrown));
    else await steps.skip(entry, skipReason);
  }

  /**
   * An item that has lost the run's own session is not tried on the next one. The default time limit covers all attempts, because with
   * retries they could last longer than the run's stuck timeout.
   */
  isFinal(error: Error): boolean {
    const isDefaultLimit = error instanceof ItemTimedOutError && this.#options.timeoutMs === undefined;
    return isDefaultLimit || this.#context.tidier.hasLostSession(error) || error instanceof PoisonedStepError;
  }

  async fail(key: string, error: Error): Promise<BatchResult<Value>> {
    const entry = this.#entryOf(key);
    await this.#context.steps.fail(entry, error);
    return toResult<Value>(entry) ?? { key, status: 'failed', error };
  }

  async skip(key: string, reason: string): Promise<BatchResult<Value>> {
    const entry = this.#entryOf(key);
    await this.#context.steps.skip(entry, reason);
    return toResult<Value>(entry) ?? { key, status: 'skipped', reason };
  }

  async abandon(key: string): Promise<BatchResult<Value> | undefined> {
    const { steps } = this.#context;
    const entry = this.#entryOf(key);
    // Items that were queued, waited for their next attempt, or have workers that ignore their signal.
    if (entry.status === 'queued') steps.cancelQueued(entry);
    else if (entry.status === 'running') await steps.abandon(entry);
    return toResult<Value>(entry);
  }

  get #concurrency(): number {
    const { control, concurrency } = this.#options;
    return control?.concurrency ?? concurrency ?? DEFAULT_CONCURRENCY;
  }

  /** True if items run one at a time in the window of the run's session, so that each may continue on the page of the last one. */
  get #leavesPage(): boolean {
    return this.#sessions === 0 && this.#concurrency === 1;
  }

  #keyOf(item: Item): string {
    return validateKey(this.#options.key(item), `An item of batch "${this.#name}"`);
  }

  #toJson(item: Item): string | undefined {
    return toJsonText(item, () => `An item added to batch "${this.#name}"`);
  }

  #entryOf(key: string): LedgerEntry {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new InvariantError(`the item "${key}" was never declared`);
    return entry;
  }

  #onSharedSession(item: Item, work: Work<Item>): Promise<Value> {
    const { tools } = work;
    const { api, signal } = tools;
    return this.#attempt(item, work, { api, driver: this.#lendDriver(tools), signal });
  }

  /** Does the item's work on a session of the pool. A death there ends that session, not the batch. */
  async #onPooledSession(item: Item, work: Work<Item>): Promise<Value> {
    const { pool, steps } = this.#context;
    const { entry, tools } = work;
    for (;;) {
      try {
        return await pool.use(
          ({ session, ...rest }) => {
            steps.moveTo(entry, session, { stack: this.#stack });
            steps.throwIfOver();
            work.session = session;
            return this.#attempt(item, work, { ...rest, api: narrowApi(rest.api, { limits: this.#limits }) });
          },
          { size: this.#sessions, signal: tools.signal },
        );
      } catch (thrown) {
        // The signal shows the end of the batch, also by the death of the run's own session.
        if (tools.signal.aborted || !(thrown instanceof SessionDeathError)) throw thrown;
        await steps.written(entry);
        if (entry.end?.status === 'done') return fromJsonText<Value>(entry.end.value);
        steps.countDeath(entry, thrown);
      }
    }
  }

  #attempt(item: Item, work: Work<Item>, { api, driver, signal }: WorkerSession): Promise<Value> {
    const { entry, tools } = work;
    const { steps } = this.#context;
    const limit = new TimeLimit({ key: tools.key, timeoutMs: this.#timeoutMs, signal });
    let skipped: Error | undefined;
    work.skipReason = undefined;
    const callWorker = async (records: RecordBuffer) => {
      const value = await this.#worker(item, {
        get api() {
          return watchEffects(narrowApi(api, { signal: limit.signal }), () => steps.noteEffect(entry));
        },
        driver,
        get signal() {
          return limit.signal;
        },
        attempt: tools.attempt,
        save: (record, options) => {
          limit.throwIfExceeded();
          records.save(record, options);
        },
        skip: (reason) => {
          limit.throwIfExceeded();
          work.skipReason = reason;
          skipped = new Error(`skipped: ${reason}`);
          throw skipped;
        },
        add: (added) => {
          limit.throwIfExceeded();
          return this.#add(added, tools);
        },
      });
      // Thrown also if the worker caught the error of `skip`.
      if (skipped !== undefined) throw skipped;
      return value;
    };
    return steps.attempt(entry, {
      work: (records) => limit.race(() => callWorker(records)),
      fence: signal,
      takesState: this.#sessions === 0,
      leavesPage: this.#leavesPage,
    });
  }

  get #timeoutMs(): number {
    const { timeoutMs = this.#context.stuckAfterMs * ITEM_PART_OF_STUCK_TIMEOUT } = this.#options;
    return Math.min(timeoutMs, MAX_TIMER_MS);
  }

  /** Returns a driver that the worker may destructure. Its use is refused if several workers share the window. */
  #lendDriver(tools: BatchTools<Item>): WebDriver {
    if (this.#concurrency > 1) return makeRefusingDriver(tools);
    try {
      return tools.driver;
    } catch {
      return makeRefusingDriver(tools);
    }
  }

  /** Adds a parsed copy of the item, so that the first entry of `run` gets the same value as later ones. */
  #add(given: Item, tools: BatchTools<Item>): boolean {
    const json = this.#toJson(given);
    // A worker of an earlier entry of `run` must not use a key of a later entry.
    tools.signal.throwIfAborted();
    return json !== undefined && tools.add(fromJsonText<Item>(json));
  }
}

interface Work<Item> {
  readonly entry: LedgerEntry;
  readonly tools: BatchTools<Item>;
  /** The reason of the latest attempt, if the worker declined the item. */
  skipReason: string | undefined;
  /** The session that only this item uses. */
  session: AbortSignal | undefined;
}

function toResult<Value>({ id: { key }, end }: LedgerEntry): BatchResult<Value> | undefined {
  if (end === undefined) return undefined;
  return end.status === 'done' ? { key, status: 'done', value: fromJsonText<Value>(end.value) } : { key, ...end };
}

/** Makes a driver for workers that share a window. Each use of it throws an `ActionError` with the reason. */
function makeRefusingDriver<Item>(tools: BatchTools<Item>): WebDriver {
  return new Proxy({} as WebDriver, { get: () => tools.driver });
}
