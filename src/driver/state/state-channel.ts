/** The ways to ask a browser without DevTools for its state, and what they ask its page. */
import { PAGE_FACTS, type PageFacts } from './page-facts.ts';
import type { StateCookie } from './browser-state.ts';
import { writeItems } from './state-restore.ts';

/** What a page tells of itself. */
export interface PageView {
  readonly url: string;
  /** Undefined for pages without storage. */
  readonly storage: { readonly origin: string; readonly local: Entries; readonly session: Entries } | undefined;
  readonly facts: PageFacts;
}

export type Entries = readonly (readonly [key: string, value: string])[];

export interface StateChannel {
  /**
   * Whether it asks beside the commands: none of the user's waits for it, the driver's frame is of no importance to it, and it knows the
   * cookies of all sites. Otherwise it sees what the driver sees: one frame, and the cookies that its page is sent with.
   */
  readonly isOutOfBand: boolean;
  /** False while nothing may be asked: asking would close the alert that the page shows. */
  isFree(): Promise<boolean>;
  url(handle: string): Promise<string>;
  cookies(): Promise<readonly StateCookie[]>;
  /** If the channel is not out of band, a page of the cookie's site must be open. */
  setCookie(cookie: StateCookie): Promise<void>;
  removeCookie(cookie: StateCookie): Promise<void>;
  /** The value of an expression in the page, which may be a promise of a text. Undefined if the page doesn't answer in time. */
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

/** Undefined if the page doesn't answer in time: it is busy, or shows an alert. */
export async function viewPage(channel: StateChannel, handle: string): Promise<PageView | undefined> {
  const text = await channel.evaluate(handle, VIEW);
  return text === undefined ? undefined : (JSON.parse(text) as PageView);
}

/** Writes the storage of the current page. False if the page belongs to another origin. */
export async function writePageStorage(
  channel: StateChannel,
  handle: string,
  { origin, local, session }: { origin: string; local: Iterable<unknown>; session: Iterable<unknown> },
): Promise<boolean> {
  const items = JSON.stringify([[...local], [...session]]);
  const expression = `(${writeItems.toString()})(${JSON.stringify(origin)}, ${items})`;
  return (await channel.evaluate(handle, expression)) === 'done';
}
