/**
 * Does steps and batch items once, and stores them with their records. The session that a step began on fences it: its result after that
 * session's death is dropped, and a later entry of `run` does it again.
 */
import { anySignal } from '../../core/abort.ts';
import { ActionError, CancelledError, InvariantError, stackOf, toError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { retry } from '../../core/retry.ts';
import { deathOf, deathSignalOf, SessionEndedError, type SessionDeathError } from '../../supervisor/supervisor.ts';
import type { AddedItem, StepDeclaration, StepId } from '../../registry/registry.ts';
import type { SaveOptions, StepOptions, StepTools } from '../context.ts';
import { CurrentUnit } from './current-unit.ts';
import { fromJsonText, toJsonText } from './json-value.ts';
import type { LedgerEntry, StepMemory } from '../replay/ledger.ts';
import { RecordBuffer, toRecordEntry, validateKey } from './record-buffer.ts';
import type { Checkpoint } from '../state/run-state.ts';
import { StepDeaths } from './step-deaths.ts';
import { StepFailures } from './step-failures.ts';
import { attemptInTime, runWithParts } from './step-attempt.ts';
import { toStepEnd, validateStepOptions, type AttemptOptions, type StepsOptions } from './step-options.ts';
import { describeStep, startSentence } from './step-words.ts';

interface OpenStep {
  /** The halt of the session that the step uses, if it is already known. */
  readonly session: AbortSignal | undefined;
  /** True if no other work uses that session meanwhile. */
  readonly isAlone: boolean;
}

/** The steps of one entry of `run`. */
export class Steps {
  /** Aborts when the results of this entry no longer count: its session died, the run ended, or the entry ended. */
  readonly signal: AbortSignal;
  readonly #options: StepsOptions;
  readonly #current = new CurrentUnit();
  /** The steps and items that use a session alone while they run. */
  readonly #alone = new WeakSet<LedgerEntry>();
  readonly #over = new AbortController();
  /**
   * The steps that this entry has begun and not ended, with their sessions. A step that is not in it must not be ended here, because a
   * later entry of `run` may have begun it.
   */
  readonly #open = new Map<LedgerEntry, OpenStep>();
  /** The steps that are being written. Whether such a step is stored is known when the promise settles, also after a death. */
  readonly #writes = new Map<LedgerEntry, Promise<unknown>>();
  readonly #saves = new Set<Promise<unknown>>();
  readonly #deaths: StepDeaths;
  readonly #failures: StepFailures;
  #running = 0;

  constructor(options: StepsOptions) {
    this.#options = options;
    this.#deaths = new StepDeaths(options.ledger, options);
    this.#failures = new StepFailures(options);
    this.signal = anySignal(deathSignalOf(options.sessionSignal), options.runSignal, this.#over.signal);
  }

  async step<Value>(
    key: string,
    work: (tools: StepTools) => Promise<Value> | Value,
    options: StepOptions<Value> = {},
  ): Promise<Value> {
    const { sessionSignal, store, calls } = this.#options;
    const { retries = 0, whenInterrupted } = options;
    const stack = stackOf(new Error('call'));
    this.throwIfOver();
    const signal = this.scopeSignal;
    const id: StepId = { batch: null, key: validateKey(key, 'A step'), ...this.scope('A step') };
    validateStepOptions(id, options);
    const [entry] = this.declare([{ id }]);
    if (entry === undefined) throw new InvariantError('a step was declared, and is not there');
    const { end, isInterrupted } = entry;
    if (end !== undefined) this.noteReplay(entry, { stack, leavesPage: true });
    if (end?.status === 'done') return fromJsonText<Value>(end.value);
    if (end?.status === 'failed') throw end.error;
    const question = { isOpen: isInterrupted && whenInterrupted !== undefined };
    this.begin(entry, { session: sessionSignal, isAlone: true }, { asksFirst: question.isOpen });
    try {
      if (whenInterrupted !== undefined) await store.beginStep({ id, order: entry.order });
      return await retry(
        (attempt) => {
          this.#options.ledger.beginParts(entry);
          return attemptInTime(
            entry,
            { work, attempt, isInterrupted, question, options },
            {
              signal,
              isPart: id.within !== undefined,
              run: (inside, fence) => this.attempt(entry, { work: inside, fence }),
            },
          );
        },
        { retries, signal },
      );
    } catch (thrown) {
      // The attempt may still run, because the end of the containing step does not wait for it.
      await calls.partsSettled(entry);
      // If it is not known whether the work has happened, the step stays interrupted: a later entry calls `whenInterrupted` again.
      if (question.isOpen) await this.abandon(entry);
      throw await this.fail(entry, toError(thrown));
    } finally {
      this.leave();
    }
  }

  /** Notes that a finished step or item is replayed for the call with this stack. The following commands expect the page that it left. */
  noteReplay(entry: LedgerEntry, { stack, leavesPage }: { stack: string | undefined; leavesPage: boolean }): void {
    const { replay, state } = this.#options;
    if (leavesPage) state.expectPageOf(entry);
    replay.onReplay(entry, stack);
  }

  /** Returns the step of the current code, as a part of a {@link StepId}. Throws `ActionError` in an item, because items have no parts. */
  scope(what: string): { readonly within?: string } {
    const { current } = this;
    if (current === undefined || !this.#open.has(current)) return {};
    if (current.id.batch === null) return { within: current.name };
    throw new ActionError(
      `${what} was begun inside ${describeStep(current.id)}. An item of a batch has no parts: finish it, then begin the next.`,
    );
  }

  /** Aborts when work that the current code begins no longer counts. For parts of a step, that is also when the step's attempt ends. */
  get scopeSignal(): AbortSignal {
    return this.#current.signal ?? this.signal;
  }

  /** The step or item of the current code. */
  get current(): LedgerEntry | undefined {
    return this.#current.entry;
  }

  /** Finds the step or item of the current code, or that it is outside of steps. */
  get unit(): CurrentUnit {
    return this.#current;
  }

  /** The item of the current code, if it has ended and its session is free for other items. */
  get ended(): LedgerEntry | undefined {
    const { current } = this;
    if (current === undefined || !this.#alone.has(current)) return undefined;
    return this.#current.isOver || !this.#open.has(current) ? current : undefined;
  }

  isOpen(entry: LedgerEntry): boolean {
    return this.#open.has(entry);
  }

  /** Returns the innermost open step or item if there is exactly one; with `session`, if there is exactly one on that session. */
  onlyOpen(session?: AbortSignal): LedgerEntry | undefined {
    const innermost = [...this.#open].filter(
      ([entry, open]) => (session === undefined || open.session === session) && !this.#hasOpenPart(entry),
    );
    return innermost.length === 1 ? innermost[0]?.[0] : undefined;
  }

  /** Notes that `entry` is about to send a request that is not idempotent. Resolves when it may be sent. */
  async noteEffect(entry: LedgerEntry): Promise<void> {
    const { ledger, store } = this.#options;
    // Requests after its end, or after the death of its session, are refused, or belong to no step.
    if (entry.hasEffects || !this.#open.has(entry) || this.signal.aborted) return;
    ledger.noteEffect(entry);
    await store.noteEffect({ id: entry.id, order: entry.order });
  }

  /** Declares steps, and stores the positions of new ones in the registry. Returns their entries in the same order. */
  declare(steps: readonly { readonly id: StepId; readonly added?: AddedItem }[]): LedgerEntry[] {
    const { ledger, store, guard } = this.#options;
    const entries: LedgerEntry[] = [];
    const news: StepDeclaration[] = [];
    try {
      for (const { id, added } of steps) {
        const entry = ledger.declare(id);
        entries.push(entry);
        guard.noteAsked(entry);
        if (entry.isKnown) continue;
        ledger.noteKnown(entry);
        news.push({ id, order: entry.order, ...(added && { added }) });
      }
    } finally {
      // If a step is refused, those before it are declared all the same, because the ledger has them.
      store.declareSteps(news);
    }
    return entries;
  }

  /** Begins a step or item. With `asksFirst`, the step first finds out whether the work of an interrupted attempt has happened. */
  begin(entry: LedgerEntry, open: OpenStep, { asksFirst = false }: { readonly asksFirst?: boolean } = {}): void {
    if (entry.isInterrupted && entry.hasEffects && !asksFirst) this.#options.replay.onRepeatedEffect(entry);
    this.#running += 1;
    this.#options.onBegin();
    this.#open.set(entry, open);
    if (open.isAlone) this.#alone.add(entry);
    this.#options.ledger.begin(entry);
  }

  /** Moves the step to another session, whose death then counts for it. `stack` is that of its call. */
  moveTo(entry: LedgerEntry, session: AbortSignal, { stack }: { readonly stack: string | undefined }): void {
    const { replay } = this.#options;
    const open = this.#open.get(entry);
    const isAgain = open?.session !== undefined && open.session !== session && deathOf(open.session) !== undefined;
    if (isAgain && entry.hasEffects) replay.onRepeatedEffect(entry);
    if (isAgain) replay.onDoneAgain(entry, stack);
    if (open !== undefined) this.#open.set(entry, { ...open, session });
  }

  leave(): void {
    this.#running -= 1;
  }

  /** Runs the work of a step or an item once, and stores its value and records together. */
  async attempt<Value>(
    entry: LedgerEntry,
    { work, fence, takesState = true, leavesPage = true }: AttemptOptions<Value>,
  ): Promise<Value> {
    const { store, state, replay, guard, calls } = this.#options;
    const throwIfFenced = () => {
      this.throwIfOver();
      if (fence.aborted && !(fence.reason instanceof SessionEndedError)) throw toError(fence.reason);
    };
    const records = new RecordBuffer(throwIfFenced, this.#options.maxRecordBytes);
    guard.beginAttempt(entry);
    const result = await runWithParts(entry, {
      fence,
      calls,
      current: this.#current,
      work: () => work(records),
    }).finally(() => guard.endAttempt(entry));
    const value = toJsonText(result, () => `The value of ${describeStep(entry.id)}`);
    throwIfFenced();
    replay.divergence.throwIfDiverged();
    guard.throwIfRefused(entry);
    const checkpoint = takesState ? await state.take() : undefined;
    replay.onPageLeft(entry, checkpoint?.state.page?.url);
    if (replay.hasReplays) await this.#throwIfReplacing(entry, records);
    throwIfFenced();
    if (!this.#open.has(entry))
      throw new CancelledError(`${startSentence(describeStep(entry.id))} was given up before it ended.`);
    records.close();
    this.#noteContext(entry);
    await this.#write(entry, async () => {
      await state.commit(entry, checkpoint, { leavesPage });
      const replaced = await store.endStep(entry.id, { status: 'done', value, records: records.list() }, entry.order);
      this.#end(entry, { status: 'done', value });
      for (const record of replaced) replay.onReplacedRecord(entry, record);
    });
    for (const record of records.drop()) replay.onRecordSavedTwice(entry, record);
    this.#options.onDone();
    return fromJsonText<Value>(value);
  }

  /** Throws, before anything is stored, if a record of another step with other content would be replaced and lost. */
  async #throwIfReplacing(entry: LedgerEntry, records: RecordBuffer): Promise<void> {
    const { store, replay } = this.#options;
    const replaced = records.list().length === 0 ? [] : await store.findReplaced(records.list(), entry.order);
    for (const record of replaced) if (!record.isSame) replay.onReplacedRecord(entry, record);
    replay.divergence.throwIfDiverged();
  }

  /** Notes a context loss: the session ended without a death and was started again during the work. After a death the work is fenced. */
  #noteContext(entry: LedgerEntry): void {
    const { sessionSignal, isSameSession, onContextLoss } = this.#options;
    if (this.#open.get(entry)?.session === sessionSignal && !isSameSession()) onContextLoss();
  }

  /** Ends `entry` as failed; as cancelled or poisoned if its session died or the run is over. Returns the error for its caller. */
  async fail(entry: LedgerEntry, failure: Error): Promise<Error> {
    await this.written(entry);
    // A finished step stays finished, even if later work fails.
    if (!this.#open.has(entry)) return failure;
    const { scopeSignal } = this;
    if (scopeSignal.aborted || failure instanceof CancelledError) {
      await this.abandon(entry);
      return scopeSignal.aborted ? toError(scopeSignal.reason) : failure;
    }
    await this.#storeFailure(entry, failure);
    return failure;
  }

  /** Ends `entry` as not done, so that a later entry of `run` does it; as poisoned if too many sessions died during it. */
  async abandon(entry: LedgerEntry): Promise<void> {
    await this.written(entry);
    if (!this.#open.has(entry)) return;
    const session = this.#open.get(entry)?.session;
    const death = session === undefined ? undefined : deathOf(session);
    try {
      const isOfPart = death !== undefined && (this.#hasOpenPart(entry) || this.#deaths.isCountedWithin(entry, death));
      if (death !== undefined && !isOfPart) this.countDeath(entry, death);
    } catch (poisoned) {
      await this.#storeFailure(entry, toError(poisoned));
      return;
    }
    this.#open.delete(entry);
    this.#options.ledger.cancel(entry);
  }

  /** Counts a session that died while the step ran. Throws `PoisonedStepError` if the limit is reached. */
  countDeath(entry: LedgerEntry, death: SessionDeathError): void {
    this.#deaths.count(entry, death, { isAlone: this.#open.get(entry)?.isAlone !== false });
  }

  #hasOpenPart({ name }: LedgerEntry): boolean {
    return [...this.#open.keys()].some(({ id }) => id.within === name);
  }

  async skip(entry: LedgerEntry, reason: string): Promise<void> {
    if (this.#open.has(entry)) await this.#storeEnd(entry, { status: 'skipped', reason: redactText(reason) });
  }

  /** Cancels a step or item that this entry of `run` has not begun. */
  cancelQueued(entry: LedgerEntry): void {
    if (!this.#over.signal.aborted && entry.status === 'queued') this.#options.ledger.cancel(entry);
  }

  /** Stores a record that belongs to no step. */
  async save(record: object, options: SaveOptions): Promise<void> {
    const { store, ledger, onProgress } = this.#options;
    this.throwIfOver();
    if (this.#running > 0) {
      throw new ActionError(
        'ctx.save was used while a step or a batch runs. Use the `save` of the step or worker: its records are stored with it.',
      );
    }
    const entry = toRecordEntry(record, options, this.#options.maxRecordBytes);
    const position = ledger.beginSave(entry);
    if (position === null) return;
    const saving = store.saveRecord(entry, position).then(() => ledger.endSave(entry, position));
    this.#saves.add(saving);
    try {
      await saving;
    } finally {
      this.#saves.delete(saving);
    }
    onProgress();
  }

  /** Resolves when `entry` is no longer being written. It then has its end if it was stored. Never rejects. */
  async written(entry: LedgerEntry): Promise<void> {
    await this.#writes.get(entry)?.catch(() => undefined);
  }

  /** Ends this entry of `run`: waits for steps that are being written, and abandons the others. Later results don't count. */
  async close(): Promise<void> {
    this.#over.abort(new CancelledError('This entry of `run` is over.'));
    await Promise.allSettled([...this.#open.keys()].map((entry) => this.abandon(entry)));
    await Promise.allSettled(this.#saves);
  }

  /** Throws if the session died, the run is over, or its replay has diverged, so that nothing more is begun or stored. */
  throwIfOver(): void {
    this.signal.throwIfAborted();
    this.#options.replay.divergence.throwIfDiverged();
  }

  async #storeFailure(entry: LedgerEntry, error: Error): Promise<void> {
    const { id } = entry;
    this.#failures.report({ id, error, session: this.#open.get(entry)?.session });
    const checkpoint = await this.#takeFailed(entry);
    await this.#storeEnd(entry, { status: 'failed', error }, checkpoint);
    this.#failures.log({ id, error });
  }

  /** Takes the state after a failed step, because it has left a page, too. */
  async #takeFailed({ id }: LedgerEntry): Promise<Checkpoint | undefined> {
    if (id.batch !== null || this.signal.aborted) return undefined;
    return this.#options.state.take().catch(() => undefined);
  }

  async #storeEnd(
    entry: LedgerEntry,
    memory: Exclude<StepMemory, { status: 'done' }>,
    checkpoint?: Checkpoint,
  ): Promise<void> {
    await this.#write(entry, async () => {
      await this.#options.state.commit(entry, checkpoint, { leavesPage: entry.id.batch === null });
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
