/**
 * Puts a session right before the next batch item gets it: no open alert, no further window, the window and the frame that the batch
 * began in. The page stays, because an action may go on from item to item on one page. A session that can't be put right is lost: its
 * slot is restarted, or `run` is entered again on a new one.
 */
import { withDeadline } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import type { CommandInfo, SessionSupervisor, WebDriver } from '../../supervisor/supervisor.ts';

/** The maximum time that all commands of one tidying may take together. */
const TIDY_LIMIT_MS = 2_000;
/** The commands that find out which windows there are; chromedriver answers them while an alert is open. */
const LISTS_WINDOWS = new Set(['GET /window', 'GET /window/handles']);
const ENTERS_FRAME = /^POST \/frame/;
const ENDS_SESSION = 'DELETE /';

/** The windows that the session had before the first item used it. */
interface Home {
  readonly handles: ReadonlySet<string>;
  readonly current: string;
}

/** Knows what batch items do to the sessions of one supervisor. */
export class SessionTidier {
  /** The session that all other fields are about. */
  #session: AbortSignal | undefined;
  #driver: WebDriver | undefined;
  #home: Home | undefined;
  #learning: Promise<void> | undefined;
  /** The number of items that have the session now. */
  #users = 0;
  /** Whether an item has sent a command since the session was last put right. */
  #isTouched = false;
  #isFrameChanged = false;
  #isTidying = false;
  #isLost = false;
  /** Errors of attempts that have cost the session. */
  readonly #costly = new WeakSet<Error>();

  /** The session is handed to an item. Returns the function that takes it back, which may be called twice. */
  lend(supervisor: SessionSupervisor): () => void {
    this.#follow(supervisor);
    const { signal } = supervisor;
    this.#users += 1;
    let isTakenBack = false;
    return () => {
      if (this.#session === signal && !isTakenBack) this.#users -= 1;
      isTakenBack = true;
    };
  }

  /** Sees each command before it is sent; see `SupervisorOptions.beforeCommand`. */
  before({ label }: CommandInfo): Promise<void> | undefined {
    if (this.#isTidying) return undefined;
    if (this.#learning !== undefined) return this.#learning;
    if (this.#users === 0) {
      // Code outside of items may open windows and enter frames for the items that follow.
      this.#home = undefined;
      this.#isTouched = false;
      return undefined;
    }
    this.#isTouched = true;
    this.#isFrameChanged ||= ENTERS_FRAME.test(label);
    if (this.#home !== undefined || label === ENDS_SESSION) return undefined;
    this.#learning = this.#learnHome().finally(() => (this.#learning = undefined));
    return this.#learning;
  }

  /** Whether the command only lists windows, while the tidier does so before an item's first command. */
  isListing({ label }: CommandInfo): boolean {
    return this.#learning !== undefined && LISTS_WINDOWS.has(label);
  }

  /** Whether the tidier sends commands now. */
  get isTidying(): boolean {
    return this.#isTidying;
  }

  /** Whether {@link tidy} has something to do: no item has the session, and the last one sent commands. */
  isDue(supervisor: SessionSupervisor): boolean {
    return this.#session === supervisor.signal && this.#isTouched && this.#users === 0;
  }

  /** Resolves with whether an item can use the session. Sends nothing if no item has sent a command. Never rejects. */
  async tidy(supervisor: SessionSupervisor): Promise<boolean> {
    if (!this.isDue(supervisor)) return true;
    if (this.#isLost || supervisor.state !== 'alive') return false;
    const { signal, driver } = supervisor;
    const limit = AbortSignal.timeout(TIDY_LIMIT_MS);
    this.#isTidying = true;
    try {
      await withDeadline(this.#putRight(driver, limit), TIDY_LIMIT_MS, 'Putting a session right');
      this.#isTouched = false;
      this.#isFrameChanged = false;
    } catch {
      // Whatever keeps the session from being put right, the next item needs another one.
      this.#isLost = true;
    } finally {
      if (this.#session === signal) this.#isTidying = false;
    }
    return !this.#isLost;
  }

  /** Puts the session right after an attempt failed with `thrown`, and remembers the error if that can't be done. */
  async tidyAfter(supervisor: SessionSupervisor, thrown: unknown): Promise<void> {
    if (!(await this.tidy(supervisor)) && thrown instanceof Error) this.#costly.add(thrown);
  }

  /** Whether the attempt that failed with `error` has cost the session. */
  hasCost(error: Error): boolean {
    return this.#costly.has(error);
  }

  #follow({ signal, driver }: SessionSupervisor): void {
    if (this.#session === signal) return;
    this.#session = signal;
    this.#driver = driver;
    this.#home = undefined;
    this.#learning = undefined;
    this.#users = 0;
    this.#isTouched = false;
    this.#isFrameChanged = false;
    this.#isTidying = false;
    this.#isLost = false;
  }

  /** Never rejects: the item's own command meets the same trouble, and reports it. */
  async #learnHome(): Promise<void> {
    const session = this.#session;
    try {
      const handles = await this.#driver?.getAllWindowHandles();
      const current = await this.#driver?.getWindowHandle();
      if (this.#session !== session || handles === undefined || current === undefined) return;
      this.#home = { handles: new Set(handles), current };
    } catch {
      this.#home = undefined;
    }
  }

  async #putRight(driver: WebDriver, limit: AbortSignal): Promise<void> {
    await this.#learning;
    const home = this.#home;
    if (home === undefined) throw new Error('the windows of the session are not known');
    const handles = await driver.getAllWindowHandles();
    const extra = handles.filter((handle) => !home.handles.has(handle));
    const kept = handles.filter((handle) => home.handles.has(handle));
    const target = kept.includes(home.current) ? home.current : (kept[0] ?? extra.shift());
    if (target === undefined) throw new Error('the session has no window');
    for (const handle of extra) {
      await driver.switchTo().window(handle);
      await dismissAlerts(driver, limit);
      await driver.close();
    }
    const current = extra.length > 0 ? undefined : await driver.getWindowHandle().catch(() => undefined);
    if (current !== target) await driver.switchTo().window(target);
    await dismissAlerts(driver, limit);
    if (this.#isFrameChanged) await driver.switchTo().defaultContent();
    this.#home = { handles: new Set(kept.length > 0 ? kept : [target]), current: target };
  }
}

/** Dismisses alerts until the page answers: a page that is busy, or opens alerts without end, does not within the limit. */
async function dismissAlerts(driver: WebDriver, limit: AbortSignal): Promise<void> {
  for (;;) {
    limit.throwIfAborted();
    try {
      await driver.getTitle();
      return;
    } catch (thrown) {
      if (toError(thrown).name !== 'UnexpectedAlertOpenError') throw thrown;
    }
    try {
      // A session with `unhandledPromptBehavior: ignore` leaves the alert open.
      await driver.switchTo().alert().dismiss();
    } catch (thrown) {
      if (toError(thrown).name !== 'NoSuchAlertError') throw thrown;
    }
  }
}
