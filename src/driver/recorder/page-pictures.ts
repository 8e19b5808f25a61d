/**
 * Takes small pictures of the current page. A picture is the first frame of a screencast, which is then stopped: it is scaled by the
 * compositor, so it costs less than a screenshot, and unlike a scaled screenshot it does not resize the page (measured).
 */
import { delay, settlesWithin } from '../../core/abort.ts';
import type { DevTools } from '../devtools.ts';
import { SETTLE_MS, ShownText } from './hidden-text.ts';

const FORMAT = { format: 'jpeg', quality: 40, maxWidth: 480, maxHeight: 480 };
const CALL_LIMIT_MS = 2_000;
/** A window that is not displayed delivers no frame. */
const FRAME_LIMIT_MS = 500;
/** A page can change without a command. After this number of seconds without one, a picture is taken all the same. */
const TICKS_PER_IDLE_PICTURE = 3;
/** If a page spends longer on an answer, it rests for one second per such time: pictures take at most some 2 % of its time. */
const ANSWER_PER_TICK_MS = 10;

export interface PagePicturesOptions {
  readonly devtools: () => DevTools | undefined;
  /** Returns the handle of the current window; null if it is not known. */
  readonly windowHandle: () => string | null;
  /** Called with each picture, as base64. Two pictures in a row are different. */
  readonly onPicture: (jpeg: string) => void;
  readonly signal: AbortSignal;
}

export class PagePictures {
  readonly #options: PagePicturesOptions;
  #shown: ShownText | undefined;
  #isTaking = false;
  /** True if the page may have changed since the last picture. */
  #isDue = true;
  #idleTicks = 0;
  /** The number of seconds until the next picture may be taken. */
  #restTicks = 0;
  #last = '';

  constructor(options: PagePicturesOptions) {
    this.#options = options;
  }

  /** Called once a second. `isActive` is true if the page may have changed since the last call. */
  tick(isActive: boolean): void {
    this.#idleTicks = isActive ? 0 : this.#idleTicks + 1;
    if (this.#idleTicks % TICKS_PER_IDLE_PICTURE === 0) this.#isDue = true;
    if (this.#restTicks > 0) {
      this.#restTicks -= 1;
      return;
    }
    if (!this.#isDue || this.#isTaking) return;
    this.#isDue = false;
    this.#isTaking = true;
    void this.#tryToTake();
  }

  /** Called when a page has another document. */
  onNavigated(handle: string): void {
    if (this.#shown?.handle === handle) this.#shown = undefined;
  }

  /** Takes a picture. If that is not possible now, the next second tries again. Never rejects. */
  async #tryToTake(): Promise<void> {
    try {
      const jpeg = await this.#take();
      if (jpeg === undefined) this.#isDue = true;
      else if (jpeg !== this.#last) this.#options.onPicture((this.#last = jpeg));
    } catch {
      // The page is busy, navigates or closes, an alert opens, or the connection breaks.
      this.#isDue = true;
    } finally {
      this.#isTaking = false;
    }
  }

  async #take(): Promise<string | undefined> {
    const { devtools: findDevTools, windowHandle, signal } = this.#options;
    const devtools = findDevTools();
    const handle = windowHandle();
    if (devtools === undefined || handle === null || devtools.isDialogOpen(handle)) return undefined;
    if (this.#shown?.handle !== handle) this.#shown = new ShownText(handle);
    const shown = this.#shown;
    const hasNoSecret = await shown.hasNoSecret(devtools);
    this.#restTicks = Math.floor(shown.tookMs / ANSWER_PER_TICK_MS);
    if (!hasNoSecret) return undefined;
    await delay(SETTLE_MS, signal);
    const jpeg = await capture(devtools, handle);
    return (await shown.hasNoSecret(devtools)) ? jpeg : undefined;
  }
}

/** Returns the page's next frame; undefined if it delivers none, because its window is hidden. */
async function capture(devtools: DevTools, handle: string): Promise<string | undefined> {
  const frame = Promise.withResolvers<string>();
  const stopListening = devtools.listen(handle, ({ method, params }) => {
    if (method === 'Page.screencastFrame') frame.resolve(String(params['data']));
  });
  try {
    await devtools.callPage(handle, 'Page.startScreencast', FORMAT, { limitMs: CALL_LIMIT_MS });
    return (await settlesWithin(frame.promise, FRAME_LIMIT_MS)) ? await frame.promise : undefined;
  } finally {
    stopListening();
    await devtools.callPage(handle, 'Page.stopScreencast', {}, { limitMs: CALL_LIMIT_MS });
  }
}
