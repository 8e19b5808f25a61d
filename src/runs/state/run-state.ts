/**
 * The checkpoints of a run: what its steps changed in the browser, and the page that each of them left. After a death the next session
 * is prepared like each session; then these changes are merged into it.
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
import { describeStep, type LedgerEntry } from '../replay/ledger.ts';
import { StepPages } from './step-pages.ts';
import { fromStoredState, toStoredState, type StateChange } from './stored-state.ts';

/** A state that is no older than this need not be taken again for an item that sent no command. */
const FRESH_MS = 1_000;
/** How long it is tried to take a state: about 3 s in all. */
const PATIENCE = { retries: 6, minDelayMs: 50, maxDelayMs: 1_000 } as const;
/** Changes of single steps that are kept apart. */
const MAX_CHANGES = 1_000;

export interface RunStateOptions {
  /** False: nothing is taken and nothing restored. */
  readonly parts: RestoreParts | false;
  readonly gate: PageGate;
  /** The run's private file; undefined if nothing may be stored. */
  readonly file: StateFile | undefined;
  /** The file that the user named. */
  readonly userFile: StateFile | undefined;
  /** What that file held. */
  readonly userState: BrowserState | undefined;
  readonly log: Log;
}

/** A state that was taken at the end of a step, until the step is stored. */
export interface Checkpoint {
  readonly state: BrowserState;
  readonly number: number;
}

export class RunState {
  readonly #options: RunStateOptions;
  /** After `prepare` on the session that the last checkpoint belongs to. */
  #base: BrowserState = EMPTY_STATE;
  #last: BrowserState = EMPTY_STATE;
  /** What the steps changed, one after the other: together they lead from the base to the last state. */
  #changes: StateChange[] = [];
  #lastNumber = 0;
  readonly #pages = new StepPages();
  /** Whether this browser has shown a state. */
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

  /** Reads what an earlier process stored. Only what finished steps have changed counts: the others are done again. */
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
      log.warn('The stored state of the browser can not be read; the run goes on without it', { reason });
    }
  }

  /** A new session, before `prepare`: it gets what the user's file held. */
  async open(supervisor: SessionSupervisor): Promise<void> {
    if (supervisor === this.#supervisor) this.#options.gate.reset(supervisor);
    const patch = diffStates(EMPTY_STATE, this.#options.userState ?? EMPTY_STATE);
    if (!isEmptyPatch(patch)) this.#report(await supervisor.browserState.apply(patch));
  }

  /** The run's own session, after `prepare`: it gets what the steps had changed. */
  async merge(supervisor: SessionSupervisor): Promise<void> {
    const { parts, gate } = this.#options;
    this.#supervisor = supervisor;
    gate.reset(supervisor);
    if (parts === false) return;
    const patch = selectParts(diffStates(this.#base, this.#last), parts);
    const prepared = await retry(() => this.#capture(supervisor), { ...PATIENCE, signal: supervisor.signal });
    if (prepared === undefined) {
      if (isEmptyPatch(patch)) return;
      throw new Error(
        'What the steps had changed in the browser can not be restored: the new session does not show its state.',
      );
    }
    this.#hasState = true;
    if (!isEmptyPatch(patch)) {
      this.#report(await supervisor.browserState.apply(patch));
      // Writing storage takes the window away from the page that `prepare` had opened.
      if (patch.origins.size > 0) gate.expect({ page: prepared.page, leftBy: '`prepare`' });
    }
    this.#base = prepared;
    this.#last = patchState(prepared, patch);
    this.#latest = undefined;
  }

  /** A session of the pool, before an item: it gets what the steps have changed since it was started. */
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
   * Takes the state of the run's session at the end of a unit of work. Units that end together share one taking. Undefined if there is
   * no state to take. Rejects with the session's death.
   */
  take(): Promise<Checkpoint | undefined> {
    if (this.#options.parts === false || this.#supervisor === undefined) return Promise.resolve(undefined);
    const latest = this.#latest;
    const { activity } = this.#supervisor.browserState;
    if (latest?.activity === activity && performance.now() - latest.at < FRESH_MS) return Promise.resolve(latest);
    this.#next ??= (async () => {
      await this.#taking?.catch(() => undefined);
      this.#taking = this.#next;
      this.#next = undefined;
      return this.#takeNow();
    })();
    return this.#next;
  }

  /** The unit of work that `checkpoint` was taken for is about to be stored. With `leavesPage` the page is remembered with it. */
  async commit(
    entry: LedgerEntry,
    checkpoint: Checkpoint | undefined,
    { leavesPage }: { readonly leavesPage: boolean },
  ): Promise<void> {
    if (checkpoint === undefined) {
      // DevTools was away for a moment: what this step left is not known.
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

  /** A finished step was replayed: commands that follow expect the page that it left. */
  expectPageOf(entry: LedgerEntry): void {
    const { parts, gate } = this.#options;
    if (parts === false || parts.page === false) return;
    const page = this.#pages.find(entry.name);
    if (page === 'never left' || !this.#hasState) return;
    gate.expect({ page: page === 'unknown' ? undefined : page, leftBy: describeStep(entry.id) });
  }

  /** The run is over. A completed one needs no state any more. */
  async close({ isCompleted }: { readonly isCompleted: boolean }): Promise<void> {
    const { file, userFile } = this.#options;
    await userFile?.flush();
    if (isCompleted) await file?.remove();
    else await file?.flush();
  }

  /** The oldest changes are joined when there are many: a step so far back can be done again, but not with the state that it had. */
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
      // A browser that is going refuses a moment before its death is declared, and a broken DevTools connection is made again.
      const state = await retry(() => this.#capture(supervisor), { ...PATIENCE, signal });
      if (state === undefined) return undefined;
      this.#latest = { state, number, activity, at: performance.now() };
      return this.#latest;
    } catch (thrown) {
      if (signal.reason instanceof SessionEndedError) return undefined;
      throw thrown;
    }
  }

  /** Rejects if the browser has a state, and it can't be taken now: without it the step's changes would be lost. */
  async #capture({ browserState }: SessionSupervisor): Promise<BrowserState | undefined> {
    const state = await browserState.capture();
    if (state === undefined && this.#hasState && browserState.isExpected)
      throw new DeadlineError(
        'Taking the state of the browser, whose DevTools connection is broken,',
        PATIENCE.maxDelayMs,
      );
    return state;
  }

  #report(refused: readonly string[] | undefined): void {
    const { log } = this.#options;
    if (refused === undefined)
      log.warn('This browser takes no state: what the steps had changed in it is not restored');
    else if (refused.length > 0) log.warn('The browser refused a part of its state', { parts: refused.join(', ') });
  }
}
