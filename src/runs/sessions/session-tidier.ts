/**
 * Tidies a session before the next batch item gets it: closes alerts and additional windows, switches to the window in which the batch
 * began, and leaves frames that an item entered. The page stays, because an action may use one page for several items. If a session can't
 * be tidied, its slot is restarted, or `run` is entered again on a new session.
 */
import { withDeadline } from '../../core/abort.ts';
import { pastAlerts, type CommandInfo, type SessionSupervisor, type WebDriver } from '../../supervisor/supervisor.ts';

/** The time limit for tidying a session once, all commands together. */
const TIDY_LIMIT_MS = 2_000;
/** The commands that list the windows. chromedriver answers them while an alert is open. */
const LISTING_COMMANDS = new Set(['GET /window', 'GET /window/handles']);
const FRAME_COMMAND = /^POST \/frame/;
const QUIT_COMMAND = 'DELETE /';

/** The windows of the session before the first item used it. */
interface Home {
  readonly handles: ReadonlySet<string>;
  readonly current: string;
}

/** Tracks what batch items do to the sessions of one supervisor, and undoes it. */
export class SessionTidier {
  /** The session that all other fields describe. */
  #session: AbortSignal | undefined;
  #driver: WebDriver | undefined;
  #home: Home | undefined;
  /** The listing of the windows in progress, before an item's first command. */
  #listing: Promise<void> | undefined;
  /** The number of items that use the session now. */
  #users = 0;
  /** True if an item has sent a command since the session was last tidied. */
  #isTouched = false;
  #isFrameChanged = false;
  #isTidying = false;
  #isLost = false;
  /** The errors of attempts that have made the session unusable. */
  readonly #sessionLosses = new WeakSet<Error>();

  /** Lends the session to an item. Returns the function that takes it back, which may be called twice. */
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

  /** Called before each command is sent; see `SupervisorOptions.beforeCommand`. */
  before({ label }: CommandInfo): Promise<void> | undefined {
    if (this.#isTidying) return undefined;
    if (this.#listing !== undefined) return this.#listing;
    if (this.#users === 0) {
      // Code outside of items may open windows and enter frames for the items that follow.
      this.#home = undefined;
      this.#isTouched = false;
      return undefined;
    }
    this.#isTouched = true;
    this.#isFrameChanged ||= FRAME_COMMAND.test(label);
    if (this.#home !== undefined || label === QUIT_COMMAND) return undefined;
    this.#listing = this.#listHome().finally(() => (this.#listing = undefined));
    return this.#listing;
  }

  /** Returns whether the command is one by which the tidier lists the windows before an item's first command. */
  isListing({ label }: CommandInfo): boolean {
    return this.#listing !== undefined && LISTING_COMMANDS.has(label);
  }

  /** True while the tidier sends commands. */
  get isTidying(): boolean {
    return this.#isTidying;
  }

  /** Returns whether {@link tidy} has something to do: no item uses the session, and the last one has sent commands. */
  isDue(supervisor: SessionSupervisor): boolean {
    return this.#session === supervisor.signal && this.#isTouched && this.#users === 0;
  }

  /** Resolves with true if the next item can use the session. Sends nothing if no item has sent a command. Never rejects. */
  async tidy(supervisor: SessionSupervisor): Promise<boolean> {
    if (!this.isDue(supervisor)) return true;
    if (this.#isLost || supervisor.state !== 'alive') return false;
    const { signal, driver } = supervisor;
    const limit = AbortSignal.timeout(TIDY_LIMIT_MS);
    this.#isTidying = true;
    try {
      await withDeadline(this.#undoChanges(driver, limit), TIDY_LIMIT_MS, 'Tidying a session');
      this.#isTouched = false;
      this.#isFrameChanged = false;
    } catch {
      // The next item needs another session after every kind of failure.
      this.#isLost = true;
    } finally {
      if (this.#session === signal) this.#isTidying = false;
    }
    return !this.#isLost;
  }

  /** Tidies the session after an attempt failed with `thrown`. Notes the error for {@link hasLostSession} if the session can't be tidied. */
  async tidyAfter(supervisor: SessionSupervisor, thrown: unknown): Promise<void> {
    if (!(await this.tidy(supervisor)) && thrown instanceof Error) this.#sessionLosses.add(thrown);
  }

  /** Returns whether the attempt that failed with `error` has made the session unusable. */
  hasLostSession(error: Error): boolean {
    return this.#sessionLosses.has(error);
  }

  #follow({ signal, driver }: SessionSupervisor): void {
    if (this.#session === signal) return;
    this.#session = signal;
    this.#driver = driver;
    this.#home = undefined;
    this.#listing = undefined;
    this.#users = 0;
    this.#isTouched = false;
    this.#isFrameChanged = false;
    this.#isTidying = false;
    this.#isLost = false;
  }

  /** Lists the windows. Never rejects, because the item's own command then fails in the same way and reports the failure. */
  async #listHome(): Promise<void> {
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

  async #undoChanges(driver: WebDriver, limit: AbortSignal): Promise<void> {
    await this.#listing;
    const home = this.#home;
    if (home === undefined) throw new Error('the windows of the session are not known');
    const handles = await driver.getAllWindowHandles();
    const extra = handles.filter((handle) => !home.handles.has(handle));
    const remaining = handles.filter((handle) => home.handles.has(handle));
    const target = remaining.includes(home.current) ? home.current : (remaining[0] ?? extra.shift());
    if (target === undefined) throw new Error('the session has no window');
    for (const handle of extra) {
      await driver.switchTo().window(handle);
      await pastAlerts(driver, () => driver.getTitle(), limit);
      await driver.close();
    }
    const current = extra.length > 0 ? undefined : await driver.getWindowHandle().catch(() => undefined);
    if (current !== target) await driver.switchTo().window(target);
    await pastAlerts(driver, () => driver.getTitle(), limit);
    if (this.#isFrameChanged) await driver.switchTo().defaultContent();
    this.#home = { handles: new Set(remaining.length > 0 ? remaining : [target]), current: target };
  }
}
