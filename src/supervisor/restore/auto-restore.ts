/**
 * Restores the state of a supervisor's session into the next one: cookies, storage, the size of the window, and the page as soon as a
 * command needs it. The state is captured after commands, without delaying them. Later changes that the browser's events report are added
 * when the session ends. A death therefore loses at most the cookies of the last second.
 */
import { settlesWithin } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { guardLog, silentLog, type Log } from '../../core/log.ts';
import { Serial } from '../../core/serial.ts';
import {
  diffStates,
  EMPTY_STATE,
  isEmptyPatch,
  patchState,
  selectParts,
  type BrowserSession,
  type BrowserState,
  type CommandHook,
  type PageState,
  type RestoreParts,
  type StatePatch,
} from '../../driver/driver.ts';
import type { SupervisorOptions } from '../options.ts';
import { PageGate } from './page-gate.ts';
import { PageNotRestoredError } from './page-not-restored-error.ts';
import { formatSessionState, readSessionState } from './session-state.ts';
import { StateFile } from './state-file.ts';
import { Throttle } from './throttle.ts';

/** The minimum interval between two captures in the background. */
const CAPTURE_INTERVAL_MS = 1_000;
/** The time limit for the last capture of a session that is about to end. */
const LAST_CAPTURE_LIMIT_MS = 1_000;
/** The URLs of an empty window. */
const BLANK_URL = /^(about:blank|data:,)$/;

interface LastState {
  readonly state: BrowserState;
  /** Undefined if it is not known. */
  readonly page: PageState | null | undefined;
}

interface AutoRestoreOptions {
  /** The parts to restore. False: nothing is restored, and the state is captured only for the file. */
  readonly parts: RestoreParts | false;
  /** The state in the user's file at the start; each session begins with it. */
  readonly fileState: BrowserState;
  readonly file: StateFile | undefined;
  readonly beforeCommand: CommandHook | undefined;
  readonly log: Log;
}

export class AutoRestore {
  readonly #options: AutoRestoreOptions;
  readonly #gate = new PageGate({ refuse: (refusal) => new PageNotRestoredError(refusal) });
  readonly #background = new Throttle({ work: () => void this.#takeBeside(), intervalMs: CAPTURE_INTERVAL_MS });
  /** The session whose state is captured; undefined between sessions. */
  #session: BrowserSession | undefined;
  #isBeginning = false;
  #last: LastState | undefined;
  /** The browser's activity count at the last capture. */
  #takenActivity = 0;
  /** Serialises captures, so that the last one to finish is the newest. */
  readonly #taking = new Serial();

  /** Returns undefined if nothing is to be restored or stored. Throws `ConfigError` if the file of `sessionState` has another content. */
  static async open(options: SupervisorOptions): Promise<AutoRestore | undefined> {
    const { restore = true, sessionState, beforeCommand } = options;
    const log = guardLog(options.log ?? silentLog);
    if (restore === false && sessionState === undefined) return undefined;
    const stored = sessionState === undefined ? undefined : await readSessionState(sessionState);
    return new AutoRestore({
      parts: restore === true ? {} : restore,
      fileState: stored?.state ?? EMPTY_STATE,
      file: stored && new StateFile({ file: stored.file, isPrivate: false, log }),
      beforeCommand,
      log,
    });
  }

  private constructor(options: AutoRestoreOptions) {
    this.#options = options;
  }

  /**
   * The hook before each command; see `SupervisorOptions.beforeCommand`. The user's own hook runs first. It is not called for commands that
   * restore something.
   */
  readonly before: CommandHook = (command) => {
    const own = () => (command.label === 'DELETE /' ? this.#beforeQuit() : this.#gate.before(command));
    const isOwn = this.#isBeginning || (this.#gate.isOpening && command.label === 'POST /url');
    const held = isOwn ? undefined : this.#options.beforeCommand?.(command);
    return held === undefined ? own() : held.then(own);
  };

  /** Restores the state into a new session, before any other use of it. Rejects if the browser does not answer. */
  async begin(session: BrowserSession): Promise<void> {
    const { parts } = this.#options;
    this.#gate.reset(session);
    const patch = await this.#patchFor(session);
    if (!isEmptyPatch(patch)) await this.#apply(session, patch);
    const page = this.#last?.page;
    const isPageDue = this.#last !== undefined && parts !== false && parts.page !== false && page !== null;
    if (isPageDue && !BLANK_URL.test(page?.url ?? '')) this.#gate.expect({ page, leftBy: 'the last session' });
  }

  /** Begins to capture the state of the session that was passed to {@link begin} and is now alive. */
  follow(session: BrowserSession): void {
    this.#session = session;
    this.#takenActivity = session.browserState.activity;
  }

  /** Called at each sign of life. If a command caused it, the state is captured soon. */
  onAlive(): void {
    const { parts } = this.#options;
    if (parts === false || this.#session === undefined) return;
    if (this.#session.browserState.activity !== this.#takenActivity) this.#background.ask();
  }

  /**
   * Captures the state now, and stores it in the file. Resolves with false if there is no state to capture. Rejects if the browser does not
   * answer: with the reason of `signal`, the session's halt, if the session died.
   */
  async take(signal?: AbortSignal): Promise<boolean> {
    const session = this.#session;
    const isTaken = await this.#taking
      .run(() => this.#takeNow())
      .catch(async (thrown: unknown) => {
        // A dying browser refuses commands shortly before its death is declared.
        await session?.probe('command');
        signal?.throwIfAborted();
        throw thrown;
      });
    if (isTaken) await this.#store({ isUrgent: true });
    return isTaken;
  }

  /** Captures the state of a session that is about to end. Never rejects. */
  async takeLast(): Promise<void> {
    const taking = this.take();
    let reason = `it took longer than ${LAST_CAPTURE_LIMIT_MS} ms`;
    try {
      if (await settlesWithin(taking, LAST_CAPTURE_LIMIT_MS)) return void (await taking);
    } catch (thrown) {
      reason = toError(thrown).message;
    }
    this.#options.log.warn('The last state of the session could not be captured; an earlier state is used', { reason });
  }

  /** Ends the captures of a session that has ended. The state known so far becomes its last state. */
  end(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#background.stop();
    const { known } = session.browserState;
    if (known === undefined && this.#last === undefined) return;
    const state = this.#last?.state ?? this.#options.fileState;
    const { expected } = this.#gate;
    this.#last = {
      state: { ...state, origins: known?.origins ?? state.origins },
      page: expected === undefined ? known?.page : expected.page,
    };
    void this.#store({ isUrgent: true });
  }

  /** Resolves when the file is up to date. */
  async flush(): Promise<void> {
    await this.#options.file?.flush();
  }

  async #patchFor({ browserState }: BrowserSession): Promise<StatePatch> {
    const { parts, fileState } = this.#options;
    const opening = diffStates(EMPTY_STATE, fileState);
    if (parts === false || this.#last === undefined) return opening;
    // A user's own profile already has a state, which may contain data that the last session had removed.
    const fresh = (await browserState.capture()) ?? EMPTY_STATE;
    const opened = patchState(fresh, opening);
    const restored = patchState(opened, selectParts(diffStates(opened, this.#last.state), parts));
    return diffStates(fresh, restored);
  }

  async #apply({ browserState }: BrowserSession, patch: StatePatch): Promise<void> {
    const { log } = this.#options;
    this.#isBeginning = true;
    try {
      const refused = await browserState.apply(patch);
      if (refused === undefined)
        log.warn('The state can’t be restored in this browser: the next session begins without it');
      else if (refused.length > 0) log.warn('The browser refused a part of its state', { parts: refused.join(', ') });
    } finally {
      this.#isBeginning = false;
    }
  }

  /** Runs before a quit. With a file, the session's state is captured first. */
  #beforeQuit(): Promise<void> | undefined {
    if (this.#options.file !== undefined && this.#session !== undefined) return this.takeLast().then(() => this.end());
    this.end();
    return undefined;
  }

  async #takeBeside(): Promise<void> {
    try {
      if (await this.#taking.run(() => this.#takeNow({ isBackground: true }))) await this.#store({ isUrgent: false });
    } catch {
      // A dying browser refuses; its death is declared elsewhere. The state of a slow browser is captured after its next command.
    }
  }

  async #takeNow({ isBackground = false } = {}): Promise<boolean> {
    const session = this.#session;
    if (session === undefined) return false;
    const { browserState } = session;
    const { activity } = browserState;
    if (isBackground && activity === this.#takenActivity) return false;
    const state = await browserState.capture({ isBackground });
    // The session may have ended in the meantime, with a newer state.
    if (state === undefined || session !== this.#session) return false;
    const { expected } = this.#gate;
    this.#last = { state, page: expected === undefined ? state.page : expected.page };
    this.#takenActivity = activity;
    return true;
  }

  async #store({ isUrgent }: { readonly isUrgent: boolean }): Promise<void> {
    await this.#options.file?.write(() => formatSessionState(this.#last?.state ?? EMPTY_STATE), { isUrgent });
  }
}
