/** The interface of the channels to a browser without DevTools, and the scripts that they run in its page. */
import { PAGE_FACTS, type PageFacts } from './page-facts.ts';
import type { StateCookie } from './browser-state.ts';
import { writeItems } from './state-restore.ts';

/** The facts that a page reports about itself. */
export interface PageView {
  readonly url: string;
  /** Undefined for pages without storage. */
  readonly storage: { readonly origin: string; readonly local: Entries; readonly session: Entries } | undefined;
  readonly facts: PageFacts;
}

export type Entries = readonly (readonly [key: string, value: string])[];

export interface StateChannel {
  /**
   * True if the channel works beside the commands. If so, no command of the user waits for it, it does not depend on the driver's frame,
   * and it has the cookies of all sites. Otherwise it has only the current frame and the cookies that are sent to its page.
   */
  readonly isOutOfBand: boolean;
  /** Returns false if a question would close the alert that the page shows. */
  isFree(): Promise<boolean>;
  url(handle: string): Promise<string>;
  cookies(): Promise<readonly StateCookie[]>;
  /** Sets a cookie. If the channel is not out of band, a page of the cookie's site must be open. */
  setCookie(cookie: StateCookie): Promise<void>;
  removeCookie(cookie: StateCookie): Promise<void>;
  /** Returns the value of an expression in the page, which may be a promise of a string. Undefined if the page does not answer in time. */
  evaluate(handle: string, expression: string): Promise<string | undefined>;
}

const VIEW = `(async () => {
  const entries = (area) => Array.from({ length: area.length }, (_, index) => [area.key(index), area.getItem(area.key(index))]);
  let storage;
  try {
    if (/^https?:$/.test(location.protocol))
      storage = { origin: location.origin, local: entries(localStorage), session: entries(sessionStorage) };
  } catch {
    // The page is not allowed to have storage.
  }
  return JSON.stringify({ url: location.href, storage, facts: await ${PAGE_FACTS} });
})()`;

/** Returns the page's view; undefined if the page does not answer in time because it is busy or shows an alert. */
export async function viewPage(channel: StateChannel, handle: string): Promise<PageView | undefined> {
  const text = await channel.evaluate(handle, VIEW);
  return text === undefined ? undefined : (JSON.parse(text) as PageView);
}

/** Writes the storage of the current page. Returns false if the page belongs to another origin. */
export async function writePageStorage(
  channel: StateChannel,
  handle: string,
  { origin, local, session }: { origin: string; local: Iterable<unknown>; session: Iterable<unknown> },
): Promise<boolean> {
  const items = JSON.stringify([[...local], [...session]]);
  const expression = `(${writeItems.toString()})(${JSON.stringify(origin)}, ${items})`;
  return (await channel.evaluate(handle, expression)) === 'done';
}
