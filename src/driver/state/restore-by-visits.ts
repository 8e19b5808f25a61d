/** Puts a state into a browser without DevTools: its window visits each origin by a real navigation, and writes the storage there. */
import type { StateCookie, StatePatch } from './browser-state.ts';
import type { Ask } from './command-channel.ts';
import { isOfSite } from './cookie-scope.ts';
import { writePageStorage, type StateChannel } from './state-channel.ts';

const BLANK_URL = 'about:blank';

export interface Visitor {
  readonly ask: Ask;
  readonly channel: StateChannel;
  /** Of the window that visits. */
  readonly handle: string;
}

/** Returns what the browser refused, in words. */
export async function restoreByVisits(patch: StatePatch, { ask, channel, handle }: Visitor): Promise<string[]> {
  const refused: string[] = [];
  const left = new Set(patch.cookies);
  const removed = new Set(patch.removedCookies);
  /** Sets those of `left` and removes those of `removed` that `isMeant`. */
  const changeCookies = async (isMeant: (cookie: StateCookie) => boolean) => {
    for (const [cookies, change] of [
      [removed, (cookie: StateCookie) => channel.removeCookie(cookie)],
      [left, (cookie: StateCookie) => channel.setCookie(cookie)],
    ] as const) {
      for (const cookie of [...cookies].filter(isMeant)) {
        cookies.delete(cookie);
        await change(cookie).catch(() => refused.push(describeCookie(cookie)));
      }
    }
  };
  let isAway = false;
  const visit = async (url: string) => {
    isAway = true;
    return ask('POST', '/url', { url }).then(
      () => true,
      () => false,
    );
  };
  const pageUrl = channel.isOutOfBand ? BLANK_URL : await channel.url(handle);
  for (const [origin, { local, session }] of patch.origins) {
    const isThere = await visit(`${origin}/`);
    if (isThere && !channel.isOutOfBand) await changeCookies((cookie) => isOfSite(cookie, origin));
    if (!isThere || !(await writePageStorage(channel, handle, { origin, local, session })))
      refused.push(`the storage of ${origin}`);
  }
  if (channel.isOutOfBand) await changeCookies(() => true);
  else {
    await changeCookies((cookie) => !isAway && isOfSite(cookie, pageUrl));
    for (const cookie of [...removed, ...left]) {
      if (!removed.has(cookie) && !left.has(cookie)) continue;
      const site = siteOf(cookie);
      if (await visit(site)) await changeCookies((other) => isOfSite(other, site));
      else refused.push(describeCookie(cookie));
    }
  }
  if (patch.windowSize !== null) await ask('POST', '/window/rect', patch.windowSize);
  // A page that storage was written around is opened again by whoever expects it; nobody expects one that only cookies took away.
  if (isAway) await visit(patch.origins.size === 0 && /^https?:/.test(pageUrl) ? pageUrl : BLANK_URL);
  return refused;
}

function describeCookie({ name, domain }: StateCookie): string {
  return `the cookie "${name}" of ${domain}`;
}

/** A guess: a cookie does not know the address of the page that it came from. */
function siteOf({ domain, secure }: StateCookie): string {
  return `${secure ? 'https' : 'http'}://${domain.replace(/^\./, '')}/`;
}
