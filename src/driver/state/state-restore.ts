/** Restores cookies and storage in a browser through DevTools, before the caller's code uses it. */
import { toChromium } from '../cookies.ts';
import type { DevTools, DevToolsEvent } from '../devtools.ts';
import type { StateCookie, StatePatch, WindowSize } from './browser-state.ts';

const BLANK_PAGE = Buffer.from('<!doctype html><title></title>').toString('base64');

/**
 * Applies `patch` to the browser. `handle` is the window whose session storage is restored. Returns descriptions of what the browser
 * refused.
 */
export async function applyPatch(devtools: DevTools, handle: string, patch: StatePatch): Promise<readonly string[]> {
  const refused = await setCookies(devtools, [
    ...patch.removedCookies.map((cookie) => ({ ...cookie, value: '', expires: 1 })),
    ...patch.cookies,
  ]);
  if (patch.origins.size > 0) refused.push(...(await setStorage(devtools, handle, patch)));
  if (patch.windowSize !== null) await setWindowSize(devtools, handle, patch.windowSize);
  return refused;
}

async function setCookies(devtools: DevTools, cookies: readonly StateCookie[]): Promise<string[]> {
  if (cookies.length === 0) return [];
  try {
    await devtools.call('Storage.setCookies', { cookies: cookies.map(toChromiumCookie) });
    return [];
  } catch {
    // The browser refuses all cookies if it refuses one of them.
    const refused: string[] = [];
    for (const cookie of cookies) {
      await devtools.call('Storage.setCookies', { cookies: [toChromiumCookie(cookie)] }).catch(() => {
        refused.push(`the cookie "${cookie.name}" of ${cookie.domain}`);
      });
    }
    return refused;
  }
}

function toChromiumCookie({ expires, ...cookie }: StateCookie): object {
  return toChromium(expires === -1 ? cookie : { ...cookie, expires });
}

/**
 * Writes storage. Session storage belongs to the window, so the window must leave its page. If there is only local storage, a separate page
 * writes it.
 */
async function setStorage(devtools: DevTools, handle: string, { origins }: StatePatch): Promise<string[]> {
  const isForWindow = [...origins.values()].some(({ session }) => session.size > 0);
  if (isForWindow) {
    const refused = await writeStorage(devtools, handle, origins);
    await devtools.callPage(handle, 'Page.resetNavigationHistory');
    return refused;
  }
  const { targetId } = (await devtools.call('Target.createTarget', { url: 'about:blank', background: true })) as {
    targetId: string;
  };
  try {
    await devtools.attached(targetId);
    return await writeStorage(devtools, targetId, origins);
  } finally {
    await devtools.call('Target.closeTarget', { targetId });
  }
}

/**
 * Writes storage from a page of its origin, which is the only way. The page visits each origin while every request is answered here and
 * none is sent. It is blank afterwards.
 */
async function writeStorage(devtools: DevTools, handle: string, origins: StatePatch['origins']): Promise<string[]> {
  const page = (method: string, params?: object) => devtools.callPage(handle, method, params);
  const unlisten = devtools.listen(handle, ({ method, params }: DevToolsEvent) => {
    if (method !== 'Fetch.requestPaused') return;
    const answer = {
      requestId: params['requestId'],
      responseCode: 200,
      responseHeaders: [{ name: 'content-type', value: 'text/html' }],
      body: BLANK_PAGE,
    };
    // A request of a page that is gone needs no answer.
    page('Fetch.fulfillRequest', answer).catch(() => undefined);
  });
  const refused: string[] = [];
  try {
    await page('Network.enable');
    await page('Network.setBypassServiceWorker', { bypass: true });
    await page('Fetch.enable', { patterns: [{ urlPattern: '*' }] });
    for (const [origin, { local, session }] of origins) {
      await page('Page.navigate', { url: `${origin}/` });
      const items = JSON.stringify([[...local], [...session]]);
      const { result } = (await page('Runtime.evaluate', {
        expression: `(${writeItems.toString()})(${JSON.stringify(origin)}, ${items})`,
        returnByValue: true,
      })) as { result?: { value?: string } };
      if (result?.value !== 'done') refused.push(`the storage of ${origin}`);
    }
  } finally {
    await page('Fetch.disable');
    await page('Page.navigate', { url: 'about:blank' });
    await page('Network.setBypassServiceWorker', { bypass: false });
    await page('Network.disable');
    unlisten();
  }
  return refused;
}

type Items = [key: string, value: string | null][];

/** Writes the items; runs in the page. */
export function writeItems(origin: string, [local, session]: [Items, Items]): string {
  const page = globalThis as unknown as Record<'localStorage' | 'sessionStorage', Storage> & { location: Location };
  if (page.location.origin !== origin) return 'elsewhere';
  const write = (storage: Storage, items: Items) => {
    for (const [key, value] of items) {
      if (value === null) storage.removeItem(key);
      else storage.setItem(key, value);
    }
  };
  write(page.localStorage, local);
  write(page.sessionStorage, session);
  return 'done';
}

interface Storage {
  removeItem(key: string): void;
  setItem(key: string, value: string): void;
}

interface Location {
  readonly origin: string;
}

async function setWindowSize(devtools: DevTools, handle: string, { width, height }: WindowSize): Promise<void> {
  const { windowId } = (await devtools.call('Browser.getWindowForTarget', { targetId: handle })) as {
    windowId: number;
  };
  await devtools.call('Browser.setWindowBounds', { windowId, bounds: { width, height } });
}
