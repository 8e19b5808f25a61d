/**
 * Steps and batch items: done once, kept with their records, fenced by the session that they began on. Whatever their code returns or
 * swallows after that session's death is dropped; a later entry of `run` does them again.
 */
import { anySignal } from '../../core/abort.ts';
import { ActionError, CancelledError, InvariantError, toError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { retry } from '../../core/retry.ts';
import { SessionEndedError, type SessionDeathError } from '../../supervisor/supervisor.ts';
import type { AddedItem, StepDeclaration, StepId } from '../../registry/registry.ts';
import type { SaveOptions, StepOptions, StepTools } from '../context.ts';
import { CurrentUnit } from './current-unit.ts';
import { deathOf, deathSignalOf } from '../sessions/death-signal.ts';
import { fromJsonText, toJsonText } from './json-value.ts';
import { describeStep, startSentence, type LedgerEntry, type StepMemory } from '../replay/ledger.ts';
import { RecordBuffer, toRecordEntry, validateKey } from './record-buffer.ts';
import type { Checkpoint } from '../state/run-state.ts';
import { StepDeaths } from './step-deaths.ts';
import { attemptInTime, runWithParts } from './step-attempt.ts';
import { toStepEnd, validateStepOptions, type AttemptOptions, type StepsOptions } from './step-options.ts';

/** Further failures of one entry of `run` are not logged one by one. */
const TOLD_FAILURES = 10;

interface OpenStep {
  /** The halt of the session that the step works on, where that is known already. */
  readonly session: AbortSignal | undefined;
  /** No other work uses that session meanwhile. */
  readonly isAlone: boolean;
}

/** The steps of one entry of `run`. */
export class Steps {
  /** Aborts when nothing of this entry counts any more: its session is dead, the run is over, or the entry itself is. */
  readonly signal: AbortSignal;
  readonly #options: StepsOptions;
  readonly #current = new CurrentUnit();
  /** Items that have a session to themselves while they run. */
  readonly #alone = new WeakSet<LedgerEntry>();
  readonly #over = new AbortController();
  /**
   * Begun here and not ended, with the session that it works on, if any. What is no longer in it is no longer ours to end: a later
   * entry of `run` may have it.
   */
  readonly #open = new Map<LedgerEntry, OpenStep>();
  /** A step that is being written is neither lost nor kept until that is settled, whatever dies meanwhile. */
  readonly #writes = new Map<LedgerEntry, Promise<unknown>>();
  readonly #saves = new Set<Promise<unknown>>();
  readonly #deaths: StepDeaths;
  #running = 0;
  #failuresTold = 0;

  constructor(options: StepsOptions) {
    this.#options = options;
    this.#deaths = new StepDeaths(options.ledger, options);
    this.signal = anySignal(deathSignalOf(options.sessionSignal), options.runSignal, this.#over.signal);
  }

  async step<Value>(
    key: string,
    work: (tools: StepTools) => Promise<Value> | Value,
    options: StepOptions<Value> = {},
  ): Promise<Value> {
    const { sessionSignal, store, calls } = this.#options;
    const { retries = 0, whenInterrupted } = options;
    const { stack } = new Error('call');
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
      // The end of the step around it does not wait for the attempt.
      await calls.partsSettled(entry);
      // As long as it is not known whether it had happened, it stays interrupted: a later entry asks again.
      if (question.isOpen) await this.abandon(entry);
      throw await this.fail(entry, toError(thrown));
    } finally {
      this.leave();
    }
  }

  /** A finished step or item is replayed for the call with this stack. Commands that follow expect the page that it left. */
  noteReplay(entry: LedgerEntry, { stack, leavesPage }: { stack: string | undefined; leavesPage: boolean }): void {
    const { replay, state } = this.#options;
    if (leavesPage) state.expectPageOf(entry);
    replay.onReplay(entry, stack);
  }

  /** The step that the current code belongs to, as a part of a {@link StepId}. Throws in an item: items have no parts. */
  scope(what: string): { readonly within?: string } {
    const { current } = this;
    if (current === undefined || !this.#open.has(current)) return {};
    if (current.id.batch === null) return { within: current.name };
    throw new ActionError(
      `${what} was begun inside ${describeStep(current.id)}. An item of a batch has no parts: finish it, then begin the next.`,
    );
  }

  /** Aborts when nothing counts any more of what the current code begins: for the parts of a step, also when its attempt is ended. */
  get scopeSignal(): AbortSignal {
    return this.#current.signal ?? this.signal;
  }

  /** The step or item that the current code belongs to. */
  get current(): LedgerEntry | undefined {
    return this.#current.entry;
  }

  /** Which step or item, or whether the code outside of steps, the current code belongs to. */
  get unit(): CurrentUnit {
    return this.#current;
  }

  /** The item that the current code belongs to, if it has ended and its session is free for other items. */
  get ended(): LedgerEntry | undefined {
    const { current } = this;
    if (current === undefined || !this.#alone.has(current)) return undefined;
    return this.#current.isOver || !this.#open.has(current) ? current : undefined;
  }

  isOpen(entry: LedgerEntry): boolean {
    return this.#open.has(entry);
  }

  /** The innermost step or item that is open, if there is only one; with `session`, if there is only one on that session. */
  onlyOpen(session?: AbortSignal): LedgerEntry | undefined {
    const innermost = [...this.#open].filter(
      ([entry, open]) => (session === undefined || open.session === session) && !this.#hasOpenPart(entry),
    );
    return innermost.length === 1 ? innermost[0]?.[0] : undefined;
  }

  /** `entry` is about to send something that is not idempotent. Resolves when that may be sent. */
  async noteEffect(entry: LedgerEntry): Promise<void> {
    const { ledger, store } = this.#options;
    // What goes on after its end, or after the death of its session, is refused, or belongs to no step.
    if (entry.hasEffects || !this.#open.has(entry) || this.signal.aborted) return;
    ledger.noteEffect(entry);
    await store.noteEffect({ id: entry.id, order: entry.order });
  }

  /** In the order given; the registry is told of the places of those that are new. */
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
      // Also those before one that is refused: the ledger has them.
      store.declareSteps(news);
    }
    return entries;
  }

  /** With `asksFirst` it is found out whether an interrupted attempt had happened before anything is sent again. */
  begin(entry: LedgerEntry, open: OpenStep, { asksFirst = false }: { readonly asksFirst?: boolean } = {}): void {
    if (entry.isInterrupted && entry.hasEffects && !asksFirst) this.#options.replay.onRepeatedEffect(entry);
    this.#running += 1;
    this.#options.onBegin();
    this.#open.set(entry, open);
    if (open.isAlone) this.#alone.add(entry);
    this.#options.ledger.begin(entry);
  }

  /** The step goes on with another session, whose death is the one that counts; `stack` is that of its call. */
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
    records.drop();
    return fromJsonText<Value>(value);
  }

  /** Before anything is stored: a record that another step saved with other content would be lost for good. */
  async #throwIfReplacing(entry: LedgerEntry, records: RecordBuffer): Promise<void> {
    const { store, replay } = this.#options;
    const replaced = records.list().length === 0 ? [] : await store.findReplaced(records.list(), entry.order);
    for (const record of replaced) if (!record.isSame) replay.onReplacedRecord(entry, record);
    replay.divergence.throwIfDiverged();
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
    const { scopeSignal } = this;
    if (scopeSignal.aborted || failure instanceof CancelledError) {
      await this.abandon(entry);
      return scopeSignal.aborted ? toError(scopeSignal.reason) : failure;
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
      const isOfPart = death !== undefined && (this.#hasOpenPart(entry) || this.#deaths.isCountedWithin(entry, death));
      if (death !== undefined && !isOfPart) this.countDeath(entry, death);
    } catch (poisoned) {
      await this.#keepFailure(entry, toError(poisoned));
      return;
    }
    this.#open.delete(entry);
    this.#options.ledger.cancel(entry);
  }

  /** A session died while the step ran. Throws {@link PoisonedStepError} if that was once too often. */
  countDeath(entry: LedgerEntry, death: SessionDeathError): void {
    this.#deaths.count(entry, death, { isAlone: this.#open.get(entry)?.isAlone !== false });
  }

  #hasOpenPart({ name }: LedgerEntry): boolean {
    return [...this.#open.keys()].some(({ id }) => id.within === name);
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
    if (this.#running > 0) {
      throw new ActionError(
        'ctx.save was used while a step or a batch runs. Use the `save` that the step or worker is given: its records are stored with it.',
      );
    }
    const entry = toRecordEntry(record, options, this.#options.maxRecordBytes);
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

  /** Throws if the session is dead, the run is over, or its replay has diverged: nothing more is begun or stored. */
  throwIfOver(): void {
    this.signal.throwIfAborted();
    this.#options.replay.divergence.throwIfDiverged();
  }

  /** Keeps a failure and tells of it; a thousand of them are one trouble and not a thousand lines. */
  async #keepFailure(entry: LedgerEntry, error: Error): Promise<void> {
    const { log } = this.#options;
    const checkpoint = await this.#takeFailed(entry);
    await this.#keep(entry, { status: 'failed', error }, checkpoint);
    this.#failuresTold += 1;
    if (this.#failuresTold < TOLD_FAILURES)
      log.warn(`${describeStep(entry.id)} failed: ${error.message.split('\n', 1)[0]}`);
    else if (this.#failuresTold === TOLD_FAILURES) log.warn('Further steps failed; they are only counted');
  }

  /** A step that failed has left a page, too. */
  async #takeFailed({ id }: LedgerEntry): Promise<Checkpoint | undefined> {
    if (id.batch !== null || this.signal.aborted) return undefined;
    return this.#options.state.take().catch(() => undefined);
  }

  async #keep(
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
