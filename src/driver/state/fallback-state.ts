/**
 * Reads and writes the state of a browser without DevTools: over BiDi if possible, otherwise by WebDriver commands. Without events between
 * two reads, less is known than with DevTools: only the storage of pages that were read, and the page's history only from the commands that
 * were sent.
 */
import type { SessionSettings } from '../session-settings.ts';
import {
  EMPTY_STATE,
  patchState,
  type BrowserState,
  type PageState,
  type StateCookie,
  type StatePatch,
  type WindowSize,
} from './browser-state.ts';
import type { Ask } from './command-channel.ts';
import { hasItems, OriginStore } from './origin-store.ts';
import { UNKNOWN_FINGERPRINT } from './page-facts.ts';
import { touch, UNTOUCHED, type PageTouch } from './page-touch.ts';
import { restoreByVisits } from './restore-by-visits.ts';
import { viewPage, type PageView, type StateChannel } from './state-channel.ts';
import { isSentTo } from './cookie-scope.ts';
import { obstacleOf } from './state-tracker.ts';

/** Commands that may open a page in another way than by its URL. */
const MOVES = /^(POST \/(back|forward|refresh|window)|DELETE \/window)$/;
/** The URL of a window without a page of a site. */
const BLANK = /^(about:blank|data:,)$/;

export interface FallbackStateOptions {
  readonly ask: Ask;
  /** Returns the current channel. It may change, because a socket may close. */
  readonly channel: () => StateChannel;
  readonly settings: SessionSettings;
  readonly commandsInFlight: () => number;
}

export interface CaptureOptions {
  /** True if no state is read if commands of the user would have to wait for it. */
  readonly isBackground?: boolean;
}

export class FallbackState {
  readonly #options: FallbackStateOptions;
  readonly #storage = new OriginStore();
  #cookies: readonly StateCookie[] = [];
  /** The changes that commands may have made to the current page since its URL was opened. */
  #pageOrigin: PageTouch = UNTOUCHED;
  /** The page at the last read. */
  #seen: { readonly page: PageState | null; readonly pageOrigin: PageTouch } = {
    page: null,
    pageOrigin: this.#pageOrigin,
  };

  constructor(options: FallbackStateOptions) {
    this.#options = options;
  }

  /** See `StateAccess.known`. */
  get known(): { readonly page: PageState | null | undefined; readonly origins: BrowserState['origins'] } {
    const { page, pageOrigin } = this.#seen;
    const origins = this.#storage.originsOf(this.#options.settings.windowHandle ?? '');
    return { page: pageOrigin === this.#pageOrigin ? page : undefined, origins };
  }

  /** Records a command of the user before it is sent. */
  onCommand(label: string, data: unknown): void {
    if (label === 'POST /url') this.#pageOrigin = { ...UNTOUCHED };
    else if (MOVES.test(label)) this.#pageOrigin = { ...UNTOUCHED, isTouched: true };
    else this.#pageOrigin = touch(this.#pageOrigin, label, data);
  }

  /** See `StateAccess.capture`. */
  async capture({ isBackground = false }: CaptureOptions = {}): Promise<BrowserState | undefined> {
    const { settings, ask, commandsInFlight } = this.#options;
    const channel = this.#options.channel();
    if (isBackground && !channel.isOutOfBand && commandsInFlight() > 0) return undefined;
    if (!(await channel.isFree())) return undefined;
    const handle = await this.#findWindow();
    if (handle === null) return undefined;
    const pageOrigin = this.#pageOrigin;
    const isSeen = channel.isOutOfBand || !settings.isInFrame;
    const view = isSeen ? await viewPage(channel, handle) : undefined;
    const url = view?.url ?? (await channel.url(handle));
    if (view?.storage !== undefined) this.#noteStorage(handle, view.storage);
    if (isSeen) this.#noteCookies(channel, url, await channel.cookies());
    const page = this.#toPageState(url, pageOrigin, view);
    this.#seen = { page, pageOrigin };
    const windowSize = settings.isResized ? ((await ask('GET', '/window/rect')) as WindowSize) : null;
    return {
      cookies: this.#cookies,
      origins: this.#storage.originsOf(handle),
      page,
      windowSize: windowSize && { width: windowSize.width, height: windowSize.height },
      timeouts: settings.ownTimeouts,
      overrides: settings.overrides,
    };
  }

  /**
   * Does the same as `StateAccess.apply`. The window visits the origins whose storage is written, and is blank afterwards if there are any.
   */
  async apply(patch: StatePatch): Promise<readonly string[] | undefined> {
    const { settings, ask } = this.#options;
    const channel = this.#options.channel();
    const handle = await this.#findWindow();
    if (handle === null) return undefined;
    const refused = await restoreByVisits(patch, { ask, channel, handle });
    this.#cookies = patchState({ ...EMPTY_STATE, cookies: this.#cookies }, patch).cookies;
    const origins = patchState({ ...EMPTY_STATE, origins: this.#storage.originsOf(handle) }, patch).origins;
    for (const origin of patch.origins.keys()) {
      for (const area of ['local', 'session'] as const)
        this.#storage.set(handle, area, origin, origins.get(origin)?.[area] ?? new Map());
    }
    if (patch.windowSize !== null) settings.noteResized();
    return refused;
  }

  async fingerprint(): Promise<string> {
    const channel = this.#options.channel();
    const { windowHandle } = this.#options.settings;
    if (windowHandle === null || !(await channel.isFree())) return UNKNOWN_FINGERPRINT;
    return (await viewPage(channel, windowHandle))?.facts.fingerprint ?? UNKNOWN_FINGERPRINT;
  }

  /** Returns the current window; null if it is closed. */
  async #findWindow(): Promise<string | null> {
    const { settings, ask } = this.#options;
    // The answer also updates the settings.
    if (settings.windowHandle === null) await ask('GET', '/window').catch(() => undefined);
    return settings.windowHandle;
  }

  #noteStorage(handle: string, { origin, local, session }: NonNullable<PageView['storage']>): void {
    for (const [area, entries] of [
      ['local', local],
      ['session', session],
    ] as const)
      if (!hasItems(this.#storage.get(handle, area, origin), entries))
        this.#storage.set(handle, area, origin, new Map(entries));
  }

  #noteCookies({ isOutOfBand }: StateChannel, url: string, cookies: readonly StateCookie[]): void {
    const others = isOutOfBand ? [] : this.#cookies.filter((cookie) => !isSentTo(cookie, url));
    this.#cookies = [...others, ...cookies];
  }

  #toPageState(url: string, { isTouched, hasMemory }: PageTouch, view: PageView | undefined): PageState | null {
    if (BLANK.test(url)) return null;
    const obstacle = this.#options.settings.isInFrame ? 'frame' : hasMemory ? 'script' : obstacleOf(url);
    const fingerprint = isTouched ? (view?.facts.fingerprint ?? UNKNOWN_FINGERPRINT) : null;
    // Other windows are not counted without DevTools.
    return { url, obstacle, fingerprint, windows: 1 };
  }
}
