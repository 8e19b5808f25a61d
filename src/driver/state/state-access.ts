/**
 * Reads and writes the state of one session's browser, out of band through DevTools. A browser without DevTools is handled by
 * `fallback-state.ts`, which reads and writes less of the state.
 */
import { settlesWithin } from '../../core/abort.ts';
import type { DevTools } from '../devtools.ts';
import type { DownloadAccess } from '../download-access.ts';
import type { SessionSettings } from '../session-settings.ts';
import {
  EMPTY_STATE,
  patchState,
  type BrowserOverride,
  type BrowserState,
  type PageState,
  type SessionTimeouts,
  type StateCookie,
  type StatePatch,
  type WindowSize,
} from './browser-state.ts';
import type { CaptureOptions, FallbackState } from './fallback-state.ts';
import { readPageFacts, UNKNOWN_FINGERPRINT, type PageFacts } from './page-facts.ts';
import { applyPatch } from './state-restore.ts';
import { obstacleOf, type StateTracker, type TrackedDocument } from './state-tracker.ts';

/** The time limit for a navigation in progress. After it, the current page is captured. */
const NAVIGATION_LIMIT_MS = 10_000;
/** The time limit for reading a page's storage. After it, the storage known from events is used. */
const STORAGE_LIMIT_MS = 250;
/** The number of attempts to read a page that navigates during each attempt. After them, the current page is captured. */
const MAX_TRIES = 5;

export interface StateAccessOptions {
  /** Returns a counter of everything that is sent to the browser. */
  readonly activity: () => number;
  readonly devtools: () => DevTools | undefined;
  readonly tracker: () => StateTracker | undefined;
  /** Undefined with DevTools, and for browsers that are not known to answer. */
  readonly fallback: () => FallbackState | undefined;
  readonly settings: SessionSettings;
  readonly downloads: DownloadAccess;
  /** Sets the timeouts of the session by a command. */
  readonly setTimeouts: (timeouts: SessionTimeouts) => Promise<void>;
  /** Sends a DevTools command by the driver. Its effect lasts as long as the driver's own DevTools session. */
  readonly sendOverride: (override: BrowserOverride) => Promise<void>;
}

/** The last known state of a browser, also of a dead one. */
export interface KnownState {
  /** Undefined if the page may have changed since it was read. */
  readonly page: PageState | null | undefined;
  /** Undefined if there is no current window. */
  readonly origins: BrowserState['origins'] | undefined;
}

export class StateAccess {
  readonly #options: StateAccessOptions;
  /** The facts of documents at their last read. A command that may change a document replaces it by another one. */
  readonly #facts = new WeakMap<TrackedDocument, PageFacts>();

  constructor(options: StateAccessOptions) {
    this.#options = options;
  }

  get downloads(): DownloadAccess {
    return this.#options.downloads;
  }

  /**
   * A counter of the commands and of the cookies that API answers set. While it is unchanged, a captured state can differ only by the work
   * of the page's own scripts.
   */
  get activity(): number {
    return this.#options.activity();
  }

  /** True if {@link capture} can return a state. If it returns undefined nevertheless, the DevTools connection is broken at that moment. */
  get isExpected(): boolean {
    return this.#options.fallback() === undefined && this.#options.settings.windowHandle !== null;
  }

  /**
   * Returns the current state. Undefined if the browser reports no state, or while the session has no current window; without DevTools also
   * while an alert is open. Rejects if the browser does not answer.
   */
  async capture(options: CaptureOptions = {}): Promise<BrowserState | undefined> {
    const { settings } = this.#options;
    const fallback = this.#options.fallback();
    if (fallback !== undefined) return fallback.capture(options);
    const tracker = this.#options.tracker();
    const devtools = this.#options.devtools();
    const handle = settings.windowHandle;
    if (devtools === undefined || tracker === undefined || handle === null) return undefined;
    const page = await this.#capturePage(devtools, tracker, handle);
    const [cookies, , windowSize] = await Promise.all([
      readCookies(devtools),
      settlesWithin(tracker.refresh(handle), STORAGE_LIMIT_MS),
      settings.isResized ? readWindowSize(devtools, handle) : null,
    ]);
    return {
      cookies,
      origins: tracker.originsOf(handle),
      page,
      windowSize,
      timeouts: settings.ownTimeouts,
      overrides: settings.overrides,
    };
  }

  /**
   * The state known from the browser's events, without a question to the browser; also available after its death. It contains no cookies.
   * Undefined if the browser sends no events.
   */
  get known(): KnownState | undefined {
    const { settings } = this.#options;
    const tracker = this.#options.tracker();
    if (tracker?.hasEvents !== true) return this.#options.fallback()?.known;
    const handle = settings.windowHandle;
    if (handle === null) return { page: null, origins: undefined };
    const document = tracker.documentOf(handle);
    const page = document === undefined ? null : this.#toPageState(document, this.#facts.get(document));
    return { page, origins: tracker.originsOf(handle) };
  }

  /** Applies `patch`. Returns descriptions of what the browser refused; undefined if it accepts no state. */
  async apply(patch: StatePatch): Promise<readonly string[] | undefined> {
    const { settings, setTimeouts, sendOverride } = this.#options;
    if (patch.timeouts !== null) await setTimeouts(patch.timeouts);
    for (const override of patch.overrides) await sendOverride(override);
    const fallback = this.#options.fallback();
    if (fallback !== undefined) return fallback.apply(patch);
    const tracker = this.#options.tracker();
    const devtools = this.#options.devtools();
    const handle = settings.windowHandle;
    if (devtools === undefined || tracker === undefined || handle === null) return undefined;
    const before = { ...EMPTY_STATE, origins: tracker.originsOf(handle) };
    const refused = await applyPatch(devtools, handle, patch);
    if (patch.windowSize !== null) settings.noteResized();
    for (const [origin, storage] of patchState(before, patch).origins)
      if (patch.origins.has(origin)) tracker.setOrigin(handle, origin, storage);
    return refused;
  }

  /**
   * Empties the browser: its cookies, and the storage, databases, caches and service workers of `origins` and of all other origins visited.
   * The current window must be a new one, because session storage belongs to the window. Resolves with false if the browser offers no
   * DevTools: by commands alone it can't be known what there is to empty.
   */
  async clear(origins: readonly string[] = []): Promise<boolean> {
    const tracker = this.#options.tracker();
    const devtools = this.#options.devtools();
    const handle = this.#options.settings.windowHandle;
    if (devtools === undefined || tracker === undefined || handle === null) return false;
    await devtools.attached(handle);
    for (const origin of new Set([...origins, ...tracker.originsOf(handle).keys()])) {
      await devtools.callPage(handle, 'Storage.clearDataForOrigin', { origin, storageTypes: 'all' });
      tracker.setOrigin(handle, origin, { local: new Map(), session: new Map() });
    }
    await devtools.call('Storage.clearCookies');
    return true;
  }

  /** Returns the fingerprint of the current page; see {@link PageState}. */
  async fingerprint(): Promise<string> {
    const fallback = this.#options.fallback();
    if (fallback !== undefined) return fallback.fingerprint();
    const devtools = this.#options.devtools();
    const handle = this.#options.settings.windowHandle;
    const facts = devtools === undefined || handle === null ? undefined : await readPageFacts(devtools, handle);
    return facts?.fingerprint ?? UNKNOWN_FINGERPRINT;
  }

  async #capturePage(devtools: DevTools, tracker: StateTracker, handle: string): Promise<PageState | null> {
    for (let tries = 1; ; tries += 1) {
      // The next command would also wait for the navigation.
      await settlesWithin(tracker.navigationOf(handle) ?? Promise.resolve(), NAVIGATION_LIMIT_MS);
      const document = tracker.documentOf(handle);
      if (document === undefined) return null;
      const { isPostTarget, isTouched } = document;
      const facts = isPostTarget || isTouched ? await readPageFacts(devtools, handle) : undefined;
      const isMoving = tracker.documentOf(handle) !== document || tracker.navigationOf(handle) !== undefined;
      if (isMoving && tries < MAX_TRIES) continue;
      if (facts !== undefined) this.#facts.set(document, facts);
      return this.#toPageState(document, facts);
    }
  }

  #toPageState(document: TrackedDocument, facts: PageFacts | undefined): PageState {
    const { url, isPostTarget, isTouched, hasMemory } = document;
    // If a POST was answered by a redirect to its own URL, the page was loaded by GET.
    const isPost = isPostTarget && (facts?.redirects ?? 0) === 0;
    const { isInFrame } = this.#options.settings;
    const obstacle = isInFrame ? 'frame' : isPost ? 'post' : hasMemory ? 'script' : obstacleOf(url);
    const fingerprint = isTouched ? (facts?.fingerprint ?? UNKNOWN_FINGERPRINT) : null;
    return { url, obstacle, fingerprint, windows: this.#options.devtools()?.pageCount ?? 1 };
  }
}

async function readCookies(devtools: DevTools): Promise<StateCookie[]> {
  const { cookies } = (await devtools.call('Storage.getCookies')) as {
    cookies: (StateCookie & { session: boolean })[];
  };
  return cookies.map(
    ({ name, value, domain, path, session, expires, httpOnly, secure, sameSite, partitionKey }): StateCookie => ({
      name,
      value,
      domain,
      path,
      expires: session ? -1 : expires,
      httpOnly,
      secure,
      ...(sameSite !== undefined && { sameSite }),
      ...(partitionKey !== undefined && { partitionKey }),
    }),
  );
}

async function readWindowSize(devtools: DevTools, handle: string): Promise<WindowSize> {
  const { bounds } = (await devtools.call('Browser.getWindowForTarget', { targetId: handle })) as {
    bounds: WindowSize;
  };
  return { width: bounds.width, height: bounds.height };
}
