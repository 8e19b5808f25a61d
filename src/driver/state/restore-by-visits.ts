/** Restores a state in a browser without DevTools: the window visits each origin by a real navigation and writes the storage there. */
import type { StateCookie, StatePatch } from './browser-state.ts';
import type { Ask } from './command-channel.ts';
import { isOfSite } from './cookie-scope.ts';
import { writePageStorage, type StateChannel } from './state-channel.ts';

const BLANK_URL = 'about:blank';

export interface Visitor {
  readonly ask: Ask;
  readonly channel: StateChannel;
  /** The handle of the window that visits the origins. */
  readonly handle: string;
}

/** Restores the state. Returns descriptions of what the browser refused. */
export async function restoreByVisits(patch: StatePatch, { ask, channel, handle }: Visitor): Promise<string[]> {
  const refused: string[] = [];
  const left = new Set(patch.cookies);
  const removed = new Set(patch.removedCookies);
  /** Sets the cookies of `left` and removes the cookies of `removed` for which `matches` returns true. */
  const changeCookies = async (matches: (cookie: StateCookie) => boolean) => {
    for (const [cookies, change] of [
      [removed, (cookie: StateCookie) => channel.removeCookie(cookie)],
      [left, (cookie: StateCookie) => channel.setCookie(cookie)],
    ] as const) {
      for (const cookie of [...cookies].filter(matches)) {
        cookies.delete(cookie);
        await change(cookie).catch(() => refused.push(describeCookie(cookie)));
      }
    }
  };
  let hasLeft = false;
  const visit = async (url: string) => {
    hasLeft = true;
    return ask('POST', '/url', { url }).then(
      () => true,
      () => false,
    );
  };
  const pageUrl = channel.isOutOfBand ? BLANK_URL : await channel.url(handle);
  for (const [origin, { local, session }] of patch.origins) {
    const isReached = await visit(`${origin}/`);
    if (isReached && !channel.isOutOfBand) await changeCookies((cookie) => isOfSite(cookie, origin));
    if (!isReached || !(await writePageStorage(channel, handle, { origin, local, session })))
      refused.push(`the storage of ${origin}`);
  }
  if (channel.isOutOfBand) await changeCookies(() => true);
  else {
    await changeCookies((cookie) => !hasLeft && isOfSite(cookie, pageUrl));
    for (const cookie of [...removed, ...left]) {
      if (!removed.has(cookie) && !left.has(cookie)) continue;
      const site = siteOf(cookie);
      if (await visit(site)) await changeCookies((other) => isOfSite(other, site));
      else refused.push(describeCookie(cookie));
    }
  }
  if (patch.windowSize !== null) await ask('POST', '/window/rect', patch.windowSize);
  // If storage was written, the caller opens the page again when it needs it. If only cookies were written, no caller does.
  if (hasLeft) await visit(patch.origins.size === 0 && /^https?:/.test(pageUrl) ? pageUrl : BLANK_URL);
  return refused;
}

function describeCookie({ name, domain }: StateCookie): string {
  return `the cookie "${name}" of ${domain}`;
}

/** Returns a likely URL of the cookie's page. A cookie does not contain the URL of the page that set it. */
function siteOf({ domain, secure }: StateCookie): string {
  return `${secure ? 'https' : 'http'}://${domain.replace(/^\./, '')}/`;
}
