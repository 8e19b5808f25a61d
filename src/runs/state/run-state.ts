/**
 * The checkpoints of a run: what its steps changed in the browser, and the page that each of them left. After a death the next session
 * is first prepared like every session; then these changes are merged into it.
 */
import { DeadlineError, toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { retry } from '../../core/retry.ts';
import {
  diffStates,
  EMPTY_STATE,
  formatSessionState,
  isEmptyPatch,
  joinPatches,
  patchState,
  selectParts,
  SessionEndedError,
  type BrowserState,
  type PageGate,
  type RestoreParts,
  type SessionSupervisor,
  type StateFile,
} from '../../supervisor/supervisor.ts';
import type { LedgerEntry } from '../replay/ledger.ts';
import { StepPages } from './step-pages.ts';
import { fromStoredState, toStoredState, type StateChange } from './stored-state.ts';
import { describeStep } from '../steps/step-words.ts';

/** The maximum age of a state that is used again for an item that sent no command. */
const MAX_STATE_AGE_MS = 1_000;
/** The retries of taking a state: about 3 s in all. */
const CAPTURE_RETRIES = { retries: 6, minDelayMs: 50, maxDelayMs: 1_000 } as const;
/** The maximum number of changes that are stored separately. */
const MAX_CHANGES = 1_000;

export interface RunStateOptions {
  /** The parts to restore. If false, no state is taken or restored. */
  readonly parts: RestoreParts | false;
  readonly gate: PageGate;
  /** The run's private file; undefined if nothing may be stored. */
  readonly file: StateFile | undefined;
  /** The file that the user named. */
  readonly userFile: StateFile | undefined;
  /** The content of that file when the run started. */
  readonly userState: BrowserState | undefined;
  readonly log: Log;
}

/** A state that was taken at the end of a step, and that is not stored with the step yet. */
export interface Checkpoint {
  readonly state: BrowserState;
  readonly number: number;
}

export class RunState {
  readonly #options: RunStateOptions;
  /** The state after `prepare` on the session of the last checkpoint. */
  #base: BrowserState = EMPTY_STATE;
  #last: BrowserState = EMPTY_STATE;
  /** The changes of the steps, in order. Together they lead from the base to the last state. */
  #changes: StateChange[] = [];
  #lastNumber = 0;
  readonly #pages = new StepPages();
  /** True if the browser has returned a state before. */
  #hasState = false;
  #supervisor: SessionSupervisor | undefined;
  #latest: (Checkpoint & { readonly at: number; readonly activity: number }) | undefined;
  #taken = 0;
  #taking: Promise<Checkpoint | undefined> | undefined;
  #next: Promise<Checkpoint | undefined> | undefined;
  /** Session -> the state that was merged into it. */
  readonly #merged = new WeakMap<AbortSignal, BrowserState>();

  constructor(options: RunStateOptions) {
    this.#options = options;
  }

  /** Reads what an earlier process stored. Uses only the changes of finished steps, because the other steps are done again. */
  async load(isFinished: (name: string) => boolean): Promise<void> {
    const { file, log, parts } = this.#options;
    this.#pages.isPartial = parts !== false;
    try {
      const text = await file?.read();
      if (text === undefined) return;
      const { base, changes, pages } = fromStoredState(text);
      this.#base = base;
      this.#changes = changes.filter(({ name }) => isFinished(name));
      this.#last = this.#changes.reduce((state, { patch }) => patchState(state, patch), base);
      this.#pages.load(pages.filter(([name]) => isFinished(name)));
    } catch (thrown) {
      const reason = toError(thrown).message;
      log.warn("The stored state of the browser can't be read; the run continues without it", { reason });
    }
  }

  /** Applies the user's file to a new session, before `prepare`. */
  async open(supervisor: SessionSupervisor): Promise<void> {
    if (supervisor === this.#supervisor) this.#options.gate.reset(supervisor);
    const patch = diffStates(EMPTY_STATE, this.#options.userState ?? EMPTY_STATE);
    if (!isEmptyPatch(patch)) this.#report(await supervisor.browserState.apply(patch));
  }

  /** Applies the changes of the steps to the run's own session, after `prepare`. */
  async merge(supervisor: SessionSupervisor): Promise<void> {
    const { parts, gate } = this.#options;
    this.#supervisor = supervisor;
    gate.reset(supervisor);
    if (parts === false) return;
    const patch = selectParts(diffStates(this.#base, this.#last), parts);
    const prepared = await retry(() => this.#capture(supervisor), { ...CAPTURE_RETRIES, signal: supervisor.signal });
    if (prepared === undefined) {
      if (isEmptyPatch(patch)) return;
      throw new Error(
        "The steps' changes in the browser can't be restored: the new session does not return its state.",
      );
    }
    this.#hasState = true;
    if (!isEmptyPatch(patch)) {
      this.#report(await supervisor.browserState.apply(patch));
      // To write storage, the window leaves the page that `prepare` had opened.
      if (patch.origins.size > 0) gate.expect({ page: prepared.page, leftBy: '`prepare`' });
    }
    this.#base = prepared;
    this.#last = patchState(prepared, patch);
    this.#latest = undefined;
  }

  /** Applies the changes of the steps since its start to a session of the pool, before an item. */
  async mergeInto(slot: SessionSupervisor): Promise<void> {
    const { parts } = this.#options;
    if (parts === false || slot === this.#supervisor) return;
    const before = this.#merged.get(slot.signal) ?? this.#base;
    const patch = selectParts(diffStates(before, this.#last), { ...parts, page: false });
    const { signal } = slot;
    const last = this.#last;
    if (!isEmptyPatch(patch)) this.#report(await slot.browserState.apply(patch));
    this.#merged.set(signal, last);
  }

  /**
   * Takes the state of the run's session at the end of a unit of work. Units that end at the same time share one state. Resolves with
   * undefined if there is no state to take. Rejects with the session's death.
   */
  take(): Promise<Checkpoint | undefined> {
    if (this.#options.parts === false || this.#supervisor === undefined) return Promise.resolve(undefined);
    const latest = this.#latest;
    const { activity } = this.#supervisor.browserState;
    if (latest?.activity === activity && performance.now() - latest.at < MAX_STATE_AGE_MS)
      return Promise.resolve(latest);
    this.#next ??= (async () => {
      await this.#taking?.catch(() => undefined);
      this.#taking = this.#next;
      this.#next = undefined;
      return this.#takeNow();
    })();
    return this.#next;
  }

  /** Stores `checkpoint` right before its unit of work is stored. With `leavesPage` the page is stored, too. */
  async commit(
    entry: LedgerEntry,
    checkpoint: Checkpoint | undefined,
    { leavesPage }: { readonly leavesPage: boolean },
  ): Promise<void> {
    if (checkpoint === undefined) {
      // The DevTools connection was broken, so the page that this step left is unknown.
      if (leavesPage && this.#hasState) this.#pages.isPartial = true;
      return;
    }
    const { state, number } = checkpoint;
    const isNewPage = leavesPage && this.#pages.set(entry.name, state.page);
    if (number < this.#lastNumber) return;
    const patch = diffStates(this.#last, state);
    const isChanged = !isEmptyPatch(patch);
    if (isChanged) this.#note({ name: entry.name, patch });
    this.#last = state;
    this.#lastNumber = number;
    const { file, userFile } = this.#options;
    const text = () =>
      toStoredState({ base: this.#base, changes: this.#changes, pages: this.#pages.stored }, this.#last);
    await Promise.all([
      file?.write(text, { isUrgent: isNewPage || (leavesPage && isChanged) }),
      userFile?.write(() => formatSessionState(this.#last), { isUrgent: false }),
    ]);
  }

  /** Notes that a finished step was replayed: the following commands expect the page that it left. */
  expectPageOf(entry: LedgerEntry): void {
    const { parts, gate } = this.#options;
    if (parts === false || parts.page === false) return;
    const page = this.#pages.find(entry.name);
    if (page === 'never left' || !this.#hasState) return;
    gate.expect({ page: page === 'unknown' ? undefined : page, leftBy: describeStep(entry.id) });
  }

  /** Ends the state with its run. The state of a completed run is removed. */
  async close({ isCompleted }: { readonly isCompleted: boolean }): Promise<void> {
    const { file, userFile } = this.#options;
    await userFile?.flush();
    if (isCompleted) await file?.remove();
    else await file?.flush();
  }

  /** Joins the oldest changes if there are too many. A step that old can be done again, but not with the state before it. */
  #note(change: StateChange): void {
    this.#changes.push(change);
    if (this.#changes.length <= MAX_CHANGES) return;
    const half = this.#changes.splice(0, MAX_CHANGES / 2);
    const patch = half.map((one) => one.patch).reduce(joinPatches);
    this.#changes.unshift({ name: half[0]?.name ?? change.name, patch });
  }

  async #takeNow(): Promise<Checkpoint | undefined> {
    const supervisor = this.#supervisor;
    if (supervisor === undefined) return undefined;
    const { signal } = supervisor;
    const { activity } = supervisor.browserState;
    const number = (this.#taken += 1);
    try {
      // A dying browser refuses shortly before its death is declared; a broken DevTools connection is opened again.
      const state = await retry(() => this.#capture(supervisor), { ...CAPTURE_RETRIES, signal });
      if (state === undefined) return undefined;
      this.#latest = { state, number, activity, at: performance.now() };
      return this.#latest;
    } catch (thrown) {
      if (signal.reason instanceof SessionEndedError) return undefined;
      throw thrown;
    }
  }

  /** Rejects if the browser has a state that can't be taken now: without it the changes of the step would be lost. */
  async #capture({ browserState }: SessionSupervisor): Promise<BrowserState | undefined> {
    const state = await browserState.capture();
    if (state === undefined && this.#hasState && browserState.isExpected)
      throw new DeadlineError(
        'Taking the state of the browser, whose DevTools connection is broken,',
        CAPTURE_RETRIES.maxDelayMs,
      );
    return state;
  }

  #report(refused: readonly string[] | undefined): void {
    const { log } = this.#options;
    if (refused === undefined) log.warn("This browser accepts no state: the steps' changes in it are not restored");
    else if (refused.length > 0) log.warn('The browser refused parts of the state', { parts: refused.join(', ') });
  }
}
