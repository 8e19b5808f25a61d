/**
 * Resets a session to its state at the start: one new window with a blank page, without alerts, cookies and storage, with the original
 * window size and time limits. A new window also drops the frames, session storage and emulated devices of the old window.
 */
import { withDeadline } from '../core/abort.ts';
import { pastAlerts, type SessionSupervisor } from '../supervisor/supervisor.ts';

/** The time limit for the whole reset. If it takes longer, a new session is faster. */
const RESET_LIMIT_MS = 5_000;

interface Rectangle {
  readonly width: number;
  readonly height: number;
  readonly x: number;
  readonly y: number;
}

export class Cleaner {
  /** The window at the start; undefined if the browser has no windows with a size. */
  readonly #rectangle: Rectangle | undefined;

  static async open({ driver }: SessionSupervisor): Promise<Cleaner> {
    const rectangle = await driver
      .manage()
      .window()
      .getRect()
      .catch(() => undefined);
    return new Cleaner(rectangle);
  }

  private constructor(rectangle: Rectangle | undefined) {
    this.#rectangle = rectangle;
  }

  /** Resolves with true if the session is reset to its start. Never rejects. */
  async clean(supervisor: SessionSupervisor): Promise<boolean> {
    try {
      return await withDeadline(this.#clean(supervisor), RESET_LIMIT_MS, 'Emptying the browser');
    } catch {
      // After every kind of failure the next test gets a new session.
      return false;
    }
  }

  async #clean({ driver, browserState, capabilities }: SessionSupervisor): Promise<boolean> {
    const state = await browserState.capture();
    const handles = await driver.getAllWindowHandles();
    const urls: string[] = [];
    for (const handle of handles) {
      await driver.switchTo().window(handle);
      urls.push(await pastAlerts(driver, () => driver.getCurrentUrl()));
    }
    await driver.switchTo().newWindow('tab');
    const blank = await driver.getWindowHandle();
    for (const handle of handles) {
      await driver.switchTo().window(handle);
      await driver.close();
    }
    await driver.switchTo().window(blank);
    const origins = urls.filter((url) => /^https?:/.test(url)).map((url) => new URL(url).origin);
    if (!(await browserState.clear(origins))) return false;
    const { timeouts } = capabilities;
    if (state?.timeouts !== null && isTimeouts(timeouts)) await driver.manage().setTimeouts(timeouts);
    if (state?.windowSize !== null && this.#rectangle !== undefined)
      await driver.manage().window().setRect(this.#rectangle);
    // Discards the messages of this test, which the next test must not get.
    await driver
      .manage()
      .logs()
      .get('browser')
      .catch(() => undefined);
    return true;
  }
}

function isTimeouts(value: unknown): value is { implicit: number; pageLoad: number; script: number } {
  return typeof value === 'object' && value !== null && 'implicit' in value;
}
