/**
 * Steps and batch items: done once, kept with their records, fenced by the session that they began on. Whatever their code returns or
 * swallows after that session's death is dropped; a later entry of `run` does them again.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

import { anySignal } from '../core/abort.ts';
import { ActionError, CancelledError, describeError, SupervisorError, toError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import type { Log } from '../core/log.ts';
import { retry } from '../core/retry.ts';
import { SessionDeathError, SessionEndedError } from '../supervisor/supervisor.ts';
import type { RecordEntry, RunStore, StepId } from '../registry/registry.ts';
import type { SaveOptions, StepOptions, StepTools } from './context.ts';
import { fromJsonText, toJsonText, toRecordText } from './json-value.ts';
import { describeStep, type Ledger, type LedgerEntry } from './ledger.ts';

/**
 * A step during which so many sessions died is not tried again. Where sessions die at other steps too, the machine is the more likely
 * reason, and each such death asks for one more.
 */
const POISON_DEATHS = 3;
const DEFAULT_DATASET = 'records';

/** Sessions died again and again while this step ran: it is quarantined, so that one bad page can't eat the run. */
export class PoisonedStepError extends SupervisorError {
  readonly code = 'step-poisoned';
  readonly consequence = 'fail-step';

  constructor({ id, deaths }: LedgerEntry, death: SessionDeathError) {
    super(
      `${describeStep(id)} was given up: ${deaths.length} sessions died while it ran, the last one by ${death.death.cause}.`,
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
  /** The death of the session that this entry of `run` began on, and the end of the run. */
  readonly sessionSignal: AbortSignal;
  readonly runSignal: AbortSignal;
  readonly onProgress: () => void;
  readonly log: Log;
}

/** The steps of one entry of `run`. */
export class Steps {
  readonly #options: StepsOptions;
  readonly #inside = new AsyncLocalStorage<StepId>();
  #running = 0;

  constructor(options: StepsOptions) {
    this.#options = options;
  }

  async step<Value>(
    key: string,
    work: (tools: StepTools) => Promise<Value> | Value,
    { retries = 0 }: StepOptions = {},
  ): Promise<Value> {
    const { ledger } = this.#options;
    this.throwIfOver();
    this.assertOutside('A step');
    const entry = ledger.declare({ batch: null, key: validateKey(key, 'A step') });
    if (entry.end?.status === 'done') return fromJsonText<Value>(entry.end.value);
    if (entry.end?.status === 'failed') throw entry.end.error;
    const signal = this.#workSignal();
    this.begin(entry);
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

  begin(entry: LedgerEntry): void {
    this.#running += 1;
    this.#options.ledger.begin(entry);
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
    const { store, ledger, onProgress, log } = this.#options;
    const throwIfFenced = () => {
      this.throwIfOver();
      if (fence.aborted && !(fence.reason instanceof SessionEndedError)) throw toError(fence.reason);
    };
    const records = new RecordBuffer(throwIfFenced);
    const result = await this.#inside.run(entry.id, () => work(records));
    const value = toJsonText(result, `The value of ${describeStep(entry.id).toLowerCase()}`);
    throwIfFenced();
    records.close();
    const replaced = await store.endStep(entry.id, { status: 'done', value, records: records.list() }, entry.order);
    ledger.end(entry, { status: 'done', value });
    for (const { dataset, key } of replaced) {
      log.warn('Two steps saved a record with the same key; the last one stays', { dataset, key, step: entry.id.key });
    }
    onProgress();
    return fromJsonText<Value>(value);
  }

  /** Ends `entry` as failed, cancelled or poisoned, as its failure demands; returns what its caller is told. */
  async fail(entry: LedgerEntry, failure: Error): Promise<Error> {
    const { ledger, sessionSignal, runSignal } = this.#options;
    const death: unknown = sessionSignal.aborted ? sessionSignal.reason : undefined;
    // A step that was finished stays so, whatever came after it.
    if (entry.status === 'done') return failure;
    if (death instanceof SessionDeathError) {
      if (entry.status !== 'running') return death;
      try {
        this.countDeath(entry, death);
        ledger.cancel(entry);
      } catch (poisoned) {
        await this.#keepFailure(entry, toError(poisoned));
      }
      return death;
    }
    if (runSignal.aborted || failure instanceof CancelledError) {
      ledger.cancel(entry);
      return runSignal.aborted ? toError(runSignal.reason) : failure;
    }
    await this.#keepFailure(entry, failure);
    return failure;
  }

  /** A session died while the step ran. Throws {@link PoisonedStepError} when that was once too often. */
  countDeath(entry: LedgerEntry, death: SessionDeathError): void {
    const { ledger } = this.#options;
    if (ledger.countDeath(entry, death.death) < POISON_DEATHS + ledger.deathsElsewhere(entry)) return;
    ledger.blame(entry);
    throw new PoisonedStepError(entry, death);
  }

  async skip(entry: LedgerEntry, reason: string): Promise<void> {
    const { store, ledger, onProgress } = this.#options;
    await store.endStep(entry.id, { status: 'skipped', reason }, entry.order);
    ledger.end(entry, { status: 'skipped', reason });
    onProgress();
  }

  /** Throws when the session is dead or the run is over: nothing more is taken on or kept. */
  throwIfOver(): void {
    const { sessionSignal, runSignal } = this.#options;
    if (sessionSignal.aborted && sessionSignal.reason instanceof SessionDeathError) throw sessionSignal.reason;
    runSignal.throwIfAborted();
  }

  assertOutside(what: string): void {
    const outer = this.#inside.getStore();
    if (outer !== undefined) {
      throw new ActionError(
        `${what} was begun inside ${describeStep(outer).toLowerCase()}. Steps don't nest: finish one, then begin the next.`,
      );
    }
  }

  assertNoneRuns(what: string): void {
    if (this.#running > 0) {
      throw new ActionError(
        `${what} was used while a step or a batch runs. Use the \`save\` that the step or worker is given: its records are kept with it.`,
      );
    }
  }

  async #keepFailure(entry: LedgerEntry, failure: Error): Promise<void> {
    const { store, ledger, onProgress } = this.#options;
    const { code, message } = describeError(failure);
    await store.endStep(entry.id, { status: 'failed', error: { code, message: redactText(message) } }, entry.order);
    ledger.end(entry, { status: 'failed', error: failure });
    onProgress();
  }

  #workSignal(): AbortSignal {
    return anySignal(this.#options.sessionSignal, this.#options.runSignal);
  }
}

/** The records of one attempt, until they are kept with its step, or dropped. */
export class RecordBuffer {
  readonly #records = new Map<string, RecordEntry>();
  readonly #throwIfOver: () => void;
  #closed = false;

  constructor(throwIfOver: () => void) {
    this.#throwIfOver = throwIfOver;
  }

  readonly save = (record: object, options: SaveOptions): void => {
    this.#throwIfOver();
    if (this.#closed)
      throw new ActionError(
        `A record ("${options.key}") was saved after its step had ended. Await all work of a step inside it.`,
      );
    const entry = toRecordEntry(record, options);
    this.#records.set(JSON.stringify([entry.dataset, entry.key]), entry);
  };

  list(): RecordEntry[] {
    return [...this.#records.values()];
  }

  close(): void {
    this.#closed = true;
  }
}

/** Checks a record and its key as every way of saving does. */
export function toRecordEntry(record: object, options: SaveOptions): RecordEntry {
  const { key, dataset = DEFAULT_DATASET } = options ?? {};
  validateKey(key, 'A record');
  validateKey(dataset, 'A dataset');
  return { dataset, key, json: toRecordText(record, `The record "${key}"`) };
}

function validateKey(key: unknown, what: string): string {
  if (typeof key !== 'string' || key === '')
    throw new ActionError(
      `${what} needs a key that is a text and not empty; this one is ${JSON.stringify(key) ?? 'missing'}.`,
    );
  return key;
}
