/**
 * Steps and batch items: done once, kept with their records, fenced by the session that they began on. Whatever their code returns or
 * swallows after that session's death is dropped; a later entry of `run` does them again.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import { anySignal } from '../core/abort.ts';
import {
  ActionError,
  CancelledError,
  describeError,
  InvariantError,
  SupervisorError,
  toError,
} from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import type { Log } from '../core/log.ts';
import { retry } from '../core/retry.ts';
import { SessionEndedError, type SessionDeathError } from '../supervisor/supervisor.ts';
import type { AddedItem, RunStore, StepDeclaration, StepEnd, StepId } from '../registry/registry.ts';
import type { SaveOptions, StepOptions, StepTools } from './context.ts';
import { deathOf, deathSignalOf } from './death-signal.ts';
import { fromJsonText, toJsonText } from './json-value.ts';
import { describeStep, startSentence, type Ledger, type LedgerEntry, type StepMemory } from './ledger.ts';
import { RecordBuffer, toRecordEntry, validateKey } from './record-buffer.ts';

/**
 * A step during which so many sessions died is not tried again. Where sessions die at other steps too, the machine is the more likely
 * reason, and each such death asks for one more.
 */
const POISON_DEATHS = 3;
/** An item that shares its session with others is one suspect of several, and must not be given up for a neighbour's doing. */
const SHARED_POISON_DEATHS = 6;
/** Further failures of one entry of `run` are not logged one by one. */
const TOLD_FAILURES = 10;

/** Sessions died again and again while this step ran: it is quarantined, so that one bad page can't eat the run. */
export class PoisonedStepError extends SupervisorError {
  readonly code = 'step-poisoned';
  readonly consequence = 'fail-step';

  constructor({ id, deaths }: LedgerEntry, death: SessionDeathError) {
    super(
      `${startSentence(describeStep(id))} was given up: ${deaths.length} sessions died while it ran, the last one by ${death.death.cause}.`,
      {
        cause: death,
        data: { step: id, deaths: deaths.length },
      },
    );
  }
}

export interface StepsOptions {
  readonly store: RunStore;
  readonly ledger: Ledger;
  /** The session that this entry of `run` began on, and the end of the run. */
  readonly sessionSignal: AbortSignal;
  readonly runSignal: AbortSignal;
  readonly onProgress: () => void;
  /** A unit of work begins on the session that was handed down. */
  readonly onBegin: () => void;
  /** A unit of work is done, and the session that it began with is not the one that there is. */
  readonly onContextLoss: () => void;
  /** Whether the session that this entry of `run` began on is still the run's. */
  readonly isSameSession: () => boolean;
  readonly log: Log;
}

interface OpenStep {
  /** The halt of the session that the step works on, where that is known already. */
  readonly session: AbortSignal | undefined;
  /** Nobody else is at work on that session. */
  readonly isAlone: boolean;
}

/** The steps of one entry of `run`. */
export class Steps {
  /** Aborts when nothing of this entry counts any more: its session is dead, the run is over, or the entry itself is. */
  readonly signal: AbortSignal;
  readonly #options: StepsOptions;
  readonly #inside = new AsyncLocalStorage<StepId>();
  readonly #over = new AbortController();
  /**
   * Begun here and not ended, with the session that it works on, if any. What is no longer in it is no longer ours to end: a later
   * entry of `run` may have it.
   */
  readonly #open = new Map<LedgerEntry, OpenStep>();
  /** A step that is being written is neither lost nor kept until that is settled, whatever dies meanwhile. */
  readonly #writes = new Map<LedgerEntry, Promise<unknown>>();
  readonly #saves = new Set<Promise<unknown>>();
  #running = 0;
  #failuresTold = 0;

  constructor(options: StepsOptions) {
    this.#options = options;
    this.signal = anySignal(deathSignalOf(options.sessionSignal), options.runSignal, this.#over.signal);
  }

  async step<Value>(
    key: string,
    work: (tools: StepTools) => Promise<Value> | Value,
    { retries = 0 }: StepOptions = {},
  ): Promise<Value> {
    const { signal } = this;
    this.throwIfOver();
    this.assertOutside('A step');
    const id = { batch: null, key: validateKey(key, 'A step') };
    if (!Number.isInteger(retries) || retries < 0) {
      throw new ActionError(
        `The retries of ${describeStep(id)} are ${retries}; they must be a whole number of at least 0.`,
      );
    }
    const [entry] = this.declare([{ id }]);
    if (entry === undefined) throw new InvariantError('a step was declared, and is not there');
    if (entry.end?.status === 'done') return fromJsonText<Value>(entry.end.value);
    if (entry.end?.status === 'failed') throw entry.end.error;
    this.begin(entry, { session: this.#options.sessionSignal, isAlone: true });
    try {
      return await retry(
        (attempt) =>
          this.attempt(entry, {
            work: async (records) => work({ save: records.save, signal, attempt }),
            fence: signal,
          }),
        { retries, signal },
      );
    } catch (thrown) {
      throw await this.fail(entry, toError(thrown));
    } finally {
      this.leave();
    }
  }

  /** In the order given; the registry is told of the places of those that are new. */
  declare(steps: readonly { readonly id: StepId; readonly added?: AddedItem }[]): LedgerEntry[] {
    const { ledger, store } = this.#options;
    const entries: LedgerEntry[] = [];
    const news: StepDeclaration[] = [];
    try {
      for (const { id, added } of steps) {
        const entry = ledger.declare(id);
        entries.push(entry);
        if (entry.isKnown) continue;
        ledger.noteKnown(entry);
        news.push({ id, order: entry.order, ...(added && { added }) });
      }
    } finally {
      // Also those before one that is refused: the ledger has them.
      store.declareSteps(news);
    }
    return entries;
  }

  begin(entry: LedgerEntry, open: OpenStep): void {
    this.#running += 1;
    this.#options.onBegin();
    this.#open.set(entry, open);
    this.#options.ledger.begin(entry);
  }

  /** The step goes on with another session, whose death is the one that counts. */
  moveTo(entry: LedgerEntry, session: AbortSignal): void {
    const open = this.#open.get(entry);
    if (open !== undefined) this.#open.set(entry, { ...open, session });
  }

  leave(): void {
    this.#running -= 1;
  }

  /**
   * Runs a step's work once and keeps its value and records. `fence` is the halt of the session that it works on: nothing is kept of a
   * session that died meanwhile, even where the work swallowed the error.
   */
  async attempt<Value>(
    entry: LedgerEntry,
    { work, fence }: { work: (records: RecordBuffer) => Promise<Value>; fence: AbortSignal },
  ): Promise<Value> {
    const { store, log } = this.#options;
    const throwIfFenced = () => {
      this.throwIfOver();
      if (fence.aborted && !(fence.reason instanceof SessionEndedError)) throw toError(fence.reason);
    };
    const records = new RecordBuffer(throwIfFenced);
    const result = await this.#inside.run(entry.id, () => work(records));
    const value = toJsonText(result, () => `The value of ${describeStep(entry.id)}`);
    throwIfFenced();
    if (!this.#open.has(entry))
      throw new CancelledError(`${startSentence(describeStep(entry.id))} was given up before it ended.`);
    records.close();
    this.#noteContext(entry);
    await this.#write(entry, async () => {
      const replaced = await store.endStep(entry.id, { status: 'done', value, records: records.list() }, entry.order);
      this.#end(entry, { status: 'done', value });
      for (const { dataset, key } of replaced) {
        log.warn('Two steps saved a record with the same key; the last one stays', {
          dataset,
          key,
          step: entry.id.key,
        });
      }
    });
    return fromJsonText<Value>(value);
  }

  /** A death is none: what it ended is fenced, and done again. Left is a session that was ended and started anew under the work. */
  #noteContext(entry: LedgerEntry): void {
    const { sessionSignal, isSameSession, onContextLoss } = this.#options;
    if (this.#open.get(entry)?.session === sessionSignal && !isSameSession()) onContextLoss();
  }

  /** Ends `entry` as failed; as cancelled or poisoned where its session died or the run is over. Returns what its caller is told. */
  async fail(entry: LedgerEntry, failure: Error): Promise<Error> {
    await this.written(entry);
    // A step that was finished stays so, whatever came after it.
    if (!this.#open.has(entry)) return failure;
    if (this.signal.aborted || failure instanceof CancelledError) {
      await this.abandon(entry);
      return this.signal.aborted ? toError(this.signal.reason) : failure;
    }
    await this.#keepFailure(entry, failure);
    return failure;
  }

  /** Ends `entry` as not done, for a later entry of `run`; as poisoned where its session died once too often. */
  async abandon(entry: LedgerEntry): Promise<void> {
    await this.written(entry);
    if (!this.#open.has(entry)) return;
    const session = this.#open.get(entry)?.session;
    const death = session === undefined ? undefined : deathOf(session);
    try {
      if (death !== undefined) this.countDeath(entry, death);
    } catch (poisoned) {
      await this.#keepFailure(entry, toError(poisoned));
      return;
    }
    this.#open.delete(entry);
    this.#options.ledger.cancel(entry);
  }

  /** A session died while the step ran. Throws {@link PoisonedStepError} when that was once too often. */
  countDeath(entry: LedgerEntry, death: SessionDeathError): void {
    const { ledger } = this.#options;
    const enough = this.#open.get(entry)?.isAlone === false ? SHARED_POISON_DEATHS : POISON_DEATHS;
    if (ledger.countDeath(entry, death.death) < enough + ledger.deathsElsewhere(entry)) return;
    ledger.blame(entry);
    throw new PoisonedStepError(entry, death);
  }

  async skip(entry: LedgerEntry, reason: string): Promise<void> {
    if (this.#open.has(entry)) await this.#keep(entry, { status: 'skipped', reason: redactText(reason) });
  }

  /** Never begun by this entry of `run`. */
  cancelQueued(entry: LedgerEntry): void {
    if (!this.#over.signal.aborted && entry.status === 'queued') this.#options.ledger.cancel(entry);
  }

  /** Keeps a record that belongs to no step. */
  async save(record: object, options: SaveOptions): Promise<void> {
    const { store, ledger, onProgress } = this.#options;
    this.throwIfOver();
    this.#assertNoneRuns('ctx.save');
    const entry = toRecordEntry(record, options);
    const place = ledger.beginSave(entry);
    if (place === null) return;
    const saving = store.saveRecord(entry, place).then(() => ledger.endSave(entry, place));
    this.#saves.add(saving);
    try {
      await saving;
    } finally {
      this.#saves.delete(saving);
    }
    onProgress();
  }

  /** Resolves when `entry` is no longer being written; it then has its end, or it has none. Never rejects. */
  async written(entry: LedgerEntry): Promise<void> {
    await this.#writes.get(entry)?.catch(() => undefined);
  }

  /** This entry of `run` is over: waits for what is being written, and gives up the rest. Nothing of it counts afterwards. */
  async close(): Promise<void> {
    this.#over.abort(new CancelledError('This entry of `run` is over.'));
    await Promise.allSettled([...this.#open.keys()].map((entry) => this.abandon(entry)));
    await Promise.allSettled(this.#saves);
  }

  /** Throws when the session is dead or the run is over: nothing more is taken on or kept. */
  throwIfOver(): void {
    this.signal.throwIfAborted();
  }

  assertOutside(what: string): void {
    const outer = this.#inside.getStore();
    if (outer !== undefined) {
      throw new ActionError(
        `${what} was begun inside ${describeStep(outer)}. Steps don't nest: finish one, then begin the next.`,
      );
    }
  }

  #assertNoneRuns(what: string): void {
    if (this.#running > 0) {
      throw new ActionError(
        `${what} was used while a step or a batch runs. Use the \`save\` that the step or worker is given: its records are kept with it.`,
      );
    }
  }

  /** Keeps a failure and tells of it; a thousand of them are one trouble and not a thousand lines. */
  async #keepFailure(entry: LedgerEntry, error: Error): Promise<void> {
    const { log } = this.#options;
    await this.#keep(entry, { status: 'failed', error });
    this.#failuresTold += 1;
    if (this.#failuresTold < TOLD_FAILURES)
      log.warn(`${describeStep(entry.id)} failed: ${error.message.split('\n', 1)[0]}`);
    else if (this.#failuresTold === TOLD_FAILURES) log.warn('Further steps failed; they are only counted');
  }

  async #keep(entry: LedgerEntry, memory: Exclude<StepMemory, { status: 'done' }>): Promise<void> {
    await this.#write(entry, async () => {
      await this.#options.store.endStep(entry.id, toStepEnd(memory), entry.order);
      this.#end(entry, memory);
    });
  }

  async #write(entry: LedgerEntry, write: () => Promise<void>): Promise<void> {
    const writing = write();
    this.#writes.set(entry, writing);
    try {
      await writing;
    } finally {
      this.#writes.delete(entry);
    }
  }

  #end(entry: LedgerEntry, memory: StepMemory): void {
    this.#open.delete(entry);
    this.#options.ledger.end(entry, memory);
    this.#options.onProgress();
  }
}

function toStepEnd(memory: Exclude<StepMemory, { status: 'done' }>): StepEnd {
  if (memory.status === 'skipped') return memory;
  const { code, message } = describeError(memory.error);
  return { status: 'failed', error: { code, message: redactText(message) } };
}
