/**
 * Brings the state of a supervisor's session into the next one: cookies, storage, the size of the window, and the page as soon as a
 * command needs it. The state is taken after commands, beside them; what the browser's events have told since then is added when the
 * session ends. So a death loses at most the cookies of the last second.
 */
import { settlesWithin } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { silentLog, type Log } from '../../core/log.ts';
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
import { PageNotRestoredError } from './page-not-restored.ts';
import { formatSessionState, readSessionState } from './session-state.ts';
import { StateFile } from './state-file.ts';
import { Throttle } from './throttle.ts';

/** The background takes the state at most this often. */
const INTERVAL_MS = 1_000;
/** A session that is about to end is asked for its state for no longer than this. */
const LAST_LIMIT_MS = 1_000;
/** A window that shows nothing. */
const BLANK = /^(about:blank|data:,)$/;

interface LastState {
  readonly state: BrowserState;
  /** Undefined if it is not known. */
  readonly page: PageState | null | undefined;
}

interface AutoRestoreOptions {
  /** False: nothing is restored, and the state is only taken for the file. */
  readonly parts: RestoreParts | false;
  /** What the user's file held at the start; each session gets it. */
  readonly fileState: BrowserState;
  readonly file: StateFile | undefined;
  readonly beforeCommand: CommandHook | undefined;
  readonly log: Log;
}

export class AutoRestore {
  readonly #options: AutoRestoreOptions;
  readonly #gate = new PageGate({ refuse: (refusal) => new PageNotRestoredError(refusal) });
  readonly #background = new Throttle({ work: () => void this.#takeBeside(), intervalMs: INTERVAL_MS });
  /** The session whose state is taken; undefined between sessions. */
  #session: BrowserSession | undefined;
  #isBeginning = false;
  #last: LastState | undefined;
  /** What had been sent to the browser when its state was taken last. */
  #takenActivity = 0;
  /** One taking at a time, so that the last word is the newest. */
  readonly #taking = new Serial();

  /** Undefined if nothing is to be restored or stored. Throws `ConfigError` if `sessionState` names a file that is none. */
  static async open(options: SupervisorOptions): Promise<AutoRestore | undefined> {
    const { restore = true, sessionState, beforeCommand, log = silentLog } = options;
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
   * To be called before each command; see `SupervisorOptions.beforeCommand`. The user's own hook comes first, and sees no command that is
   * sent to restore something.
   */
  readonly before: CommandHook = (command) => {
    const own = () => (command.label === 'DELETE /' ? this.#beforeQuit() : this.#gate.before(command));
    const isOwn = this.#isBeginning || (this.#gate.isOpening && command.label === 'POST /url');
    const held = isOwn ? undefined : this.#options.beforeCommand?.(command);
    return held === undefined ? own() : held.then(own);
  };

  /** Brings the state into a new session, before anybody else uses it. Rejects if the browser can't be asked. */
  async begin(session: BrowserSession): Promise<void> {
    const { parts } = this.#options;
    this.#gate.reset(session);
    const patch = await this.#patchFor(session);
    if (!isEmptyPatch(patch)) await this.#apply(session, patch);
    const page = this.#last?.page;
    const isPageDue = this.#last !== undefined && parts !== false && parts.page !== false && page !== null;
    if (isPageDue && !BLANK.test(page?.url ?? '')) this.#gate.expect({ page, leftBy: 'the last session' });
  }

  /** The session that {@link begin} was called with is alive: its state is taken from now on. */
  follow(session: BrowserSession): void {
    this.#session = session;
    this.#takenActivity = session.browserState.activity;
  }

  /** The session gave a sign of life: if a command was its reason, the state is soon taken. */
  onAlive(): void {
    const { parts } = this.#options;
    if (parts === false || this.#session === undefined) return;
    if (this.#session.browserState.activity !== this.#takenActivity) this.#background.ask();
  }

  /**
   * Takes the state now, and stores it in the file. Resolves with false if there is none to take. Rejects if the browser doesn't answer;
   * with the reason of `signal`, the session's halt, if that is why.
   */
  async take(signal?: AbortSignal): Promise<boolean> {
    const session = this.#session;
    const isTaken = await this.#taking
      .run(() => this.#takeNow())
      .catch(async (thrown: unknown) => {
        // A browser that is going refuses a moment before its death is declared.
        await session?.probe('command');
        signal?.throwIfAborted();
        throw thrown;
      });
    if (isTaken) await this.#store({ isUrgent: true });
    return isTaken;
  }

  /** Takes the state of a session that is about to end. Never rejects. */
  async takeLast(): Promise<void> {
    const taking = this.take();
    let reason = `it took longer than ${LAST_LIMIT_MS} ms`;
    try {
      if (await settlesWithin(taking, LAST_LIMIT_MS)) return void (await taking);
    } catch (thrown) {
      reason = toError(thrown).message;
    }
    this.#options.log.warn('The last state of the session could not be taken; an earlier one is used', { reason });
  }

  /** The session is over: what is known of it is its last state. */
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
    // A profile that the user named has a state of its own, which may hold what the last session had removed.
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
      if (refused === undefined) log.warn('This browser takes no state: the next session begins without it');
      else if (refused.length > 0) log.warn('The browser refused a part of its state', { parts: refused.join(', ') });
    } finally {
      this.#isBeginning = false;
    }
  }

  /** With a file, a session that is asked to quit is asked for its state first. */
  #beforeQuit(): Promise<void> | undefined {
    if (this.#options.file !== undefined && this.#session !== undefined) return this.takeLast().then(() => this.end());
    this.end();
    return undefined;
  }

  async #takeBeside(): Promise<void> {
    try {
      if (await this.#taking.run(() => this.#takeNow({ isBackground: true }))) await this.#store({ isUrgent: false });
    } catch {
      // A browser that is going refuses: its death is declared elsewhere. One that is only slow is asked after its next command.
    }
  }

  async #takeNow({ isBackground = false } = {}): Promise<boolean> {
    const session = this.#session;
    if (session === undefined) return false;
    const { browserState } = session;
    const { activity } = browserState;
    if (isBackground && activity === this.#takenActivity) return false;
    const state = await browserState.capture({ isBackground });
    // The session may be over by now, with a newer state.
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
