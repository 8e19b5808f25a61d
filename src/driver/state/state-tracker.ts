/**
 * Tracks a browser's storage and pages by DevTools events, so that a checkpoint needs one call to the browser's process and none to the
 * page's own thread.
 */
import { settlesWithin } from '../../core/abort.ts';
import type { DevTools, DevToolsEvent } from '../devtools.ts';
import type { OriginStorage, PageObstacle } from './browser-state.ts';
import { hasItems, OriginStore } from './origin-store.ts';
import { touch, UNTOUCHED, type PageTouch } from './page-touch.ts';

/** The time limit for reading the storage of a page that is about to be left. A page that is busy for longer is left without. */
const LEAVE_LIMIT_MS = 250;

/** The document that a page shows. */
export interface TrackedDocument extends PageTouch {
  readonly url: string;
  /** True if the navigation to it began with a form that was submitted by POST to this URL. */
  readonly isPostTarget: boolean;
}

interface TrackedPage {
  document: TrackedDocument | undefined;
  /** The URL of a POST whose answer is not displayed yet. */
  posted: string | undefined;
  /** Settles when the navigation in progress has ended; undefined if there is none. */
  navigation: PromiseWithResolvers<void> | undefined;
}

export class StateTracker {
  readonly #devtools: () => DevTools | undefined;
  readonly #pages = new Map<string, TrackedPage>();
  readonly #storage = new OriginStore();
  #hasEvents = false;
  /** Called when a page submits a form by POST. */
  onPost: (() => void) | undefined;

  constructor(devtools: () => DevTools | undefined) {
    this.#devtools = devtools;
  }

  /** True if DevTools has reported a page. Without that, nothing is known. */
  get hasEvents(): boolean {
    return this.#hasEvents;
  }

  documentOf(handle: string): TrackedDocument | undefined {
    return this.#pages.get(handle)?.document;
  }

  /** Returns a promise for the end of the page's navigation; undefined if none is in progress. */
  navigationOf(handle: string): Promise<void> | undefined {
    return this.#pages.get(handle)?.navigation?.promise;
  }

  /** Returns the storage of the visited origins for the page with this window handle. */
  originsOf(handle: string): ReadonlyMap<string, OriginStorage> {
    return this.#storage.originsOf(handle);
  }

  /**
   * Records a command to the page with this window handle before it is sent. Returns a promise if the command leaves the page's origin: its
   * storage is read first, because the events of changes that the storage service has not confirmed are lost with the page.
   */
  onCommand(handle: string | null, label: string, data: unknown): Promise<unknown> | undefined {
    const page = handle === null ? undefined : this.#pages.get(handle);
    if (handle === null || page?.document === undefined) return undefined;
    const touched = touch(page.document, label, data);
    if (touched !== page.document) page.document = { ...page.document, ...touched };
    return leavesOrigin(page.document.url, label, data)
      ? settlesWithin(this.refresh(handle), LEAVE_LIMIT_MS)
      : undefined;
  }

  onPageAttached(handle: string, devtools: DevTools): void {
    this.#hasEvents = true;
    this.#pageOf(handle);
    // Best effort: a page that closes in the meantime has no state.
    for (const method of ['Page.enable', 'DOMStorage.enable']) devtools.callPage(handle, method).catch(() => undefined);
  }

  onPageClosed(handle: string): void {
    this.#pages.delete(handle);
    this.#storage.drop(handle);
  }

  onPageEvent(handle: string, { method, params }: DevToolsEvent): void {
    if (method.startsWith('DOMStorage.')) this.#onStorage(handle, method, params as unknown as StorageEvent);
    else if (method === 'Page.frameNavigated') this.#onNavigated(handle, params['frame'] as Frame);
    // In Chromium the main frame of a page has the page's target id, which is its window handle.
    else if (params['frameId'] !== handle) return;
    else if (method === 'Page.frameRequestedNavigation') this.#onRequested(handle, params);
    else if (method === 'Page.frameStartedNavigating') this.#onStarted(handle, params);
    else if (method === 'Page.frameStoppedLoading') this.#endNavigation(this.#pageOf(handle));
    else if (method === 'Page.navigatedWithinDocument') this.#onMovedWithin(handle, String(params['url']));
  }

  #pageOf(handle: string): TrackedPage {
    const page = this.#pages.get(handle) ?? { document: undefined, posted: undefined, navigation: undefined };
    this.#pages.set(handle, page);
    return page;
  }

  #onNavigated(handle: string, { id, url, parentId }: Frame): void {
    if (parentId !== undefined || id !== handle) return;
    const page = this.#pageOf(handle);
    page.document = { url, isPostTarget: page.posted === withoutFragment(url), ...UNTOUCHED };
    page.posted = undefined;
    this.#endNavigation(page);
    // An origin may have items before its first page is opened here: from a user's profile or from another window.
    const origin = originOf(url);
    if (origin !== undefined && this.#storage.get(handle, 'session', origin) === undefined) void this.refresh(handle);
  }

  #onRequested(handle: string, { reason, url, disposition }: DevToolsEvent['params']): void {
    const isPost = reason === 'formSubmissionPost';
    const page = this.#pageOf(handle);
    if (isPost) this.onPost?.();
    // The answer to a form may open in another window.
    if (disposition !== 'currentTab') return;
    page.posted = isPost ? withoutFragment(String(url)) : undefined;
    page.navigation ??= Promise.withResolvers();
  }

  #onStarted(handle: string, { navigationType }: DevToolsEvent['params']): void {
    if (!/sameDocument/i.test(String(navigationType))) this.#pageOf(handle).navigation ??= Promise.withResolvers();
  }

  #endNavigation(page: TrackedPage): void {
    page.navigation?.resolve();
    page.navigation = undefined;
  }

  #onMovedWithin(handle: string, url: string): void {
    const page = this.#pageOf(handle);
    this.#endNavigation(page);
    if (page.document !== undefined) page.document = { ...page.document, url };
  }

  /**
   * Reads the storage of the page's own origin. Events alone are late: Chromium reports a change only after its storage service has
   * confirmed it, so a change by the last command could be missed.
   */
  async refresh(handle: string): Promise<void> {
    const origin = originOf(this.#pages.get(handle)?.document?.url ?? '');
    const devtools = this.#devtools();
    if (origin === undefined || devtools === undefined) return;
    const read = async (area: keyof OriginStorage) => {
      const storageId = { storageKey: `${origin}/`, isLocalStorage: area === 'local' };
      const answer = await devtools.callPage(handle, 'DOMStorage.getDOMStorageItems', { storageId });
      const { entries = [] } = (answer ?? {}) as { entries?: [string, string][] };
      const known = this.#storage.get(handle, area, origin);
      if (!hasItems(known, entries)) this.#storage.set(handle, area, origin, new Map(entries));
    };
    // A page that has left the origin or has no storage refuses. Its events report the rest.
    await Promise.allSettled([read('local'), read('session')]);
  }

  /** Records what was written to the storage of an origin that no page displays any more. */
  setOrigin(handle: string, origin: string, { local, session }: OriginStorage): void {
    this.#storage.set(handle, 'local', origin, local);
    this.#storage.set(handle, 'session', origin, session);
  }

  #onStorage(handle: string, method: string, { storageId, key, newValue }: StorageEvent): void {
    const origin = originOf(storageId.storageKey ?? '');
    if (origin === undefined) return;
    const area = storageId.isLocalStorage ? 'local' : 'session';
    const items = new Map(this.#storage.get(handle, area, origin));
    if (method === 'DOMStorage.domStorageItemsCleared') items.clear();
    else if (key === undefined) return;
    else if (newValue === undefined) items.delete(key);
    else items.set(key, newValue);
    this.#storage.set(handle, area, origin, items);
  }
}

interface Frame {
  readonly id: string;
  readonly url: string;
  readonly parentId?: string;
}

interface StorageEvent {
  readonly storageId: { readonly storageKey?: string; readonly isLocalStorage: boolean };
  readonly key?: string;
  readonly newValue?: string;
}

/** Returns why a document can't be loaded again, judged by its URL; null if there is no reason. */
export function obstacleOf(url: string): PageObstacle | null {
  return /^(https?|file|about|data):/.test(url) ? null : 'unloadable';
}

/**
 * Returns the origin of a URL or of a storage key; undefined for URLs other than http and https, and for the storage keys of partitioned
 * frames, which are not restored.
 */
function originOf(url: string): string | undefined {
  return /^https?:[^^]*$/.test(url) ? URL.parse(url)?.origin : undefined;
}

/** Returns whether a command closes a page or may replace it by one of another origin. */
function leavesOrigin(url: string, label: string, data: unknown): boolean {
  const origin = originOf(url);
  if (origin === undefined) return false;
  if (label !== 'POST /url') return /^(POST \/(back|forward)|DELETE \/window)$/.test(label);
  return originOf(String((data as { readonly url?: unknown } | undefined)?.url)) !== origin;
}

function withoutFragment(url: string): string {
  return url.replace(/#.*$/s, '');
}
