import { expect } from 'chai';

import { localBrowser } from './local-browser.ts';
import { openSession } from './sessions.ts';

export const COMMAND_TIMEOUT_MS = 1_500;

/** Opens a session with a page load timeout of one second and no script timeout. */
export async function openLimitedSession() {
  const s = await openSession(await localBrowser(), {
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
    browser: { capabilities: { timeouts: { pageLoad: 1_000, script: null } } },
  });
  return {
    ...s,
    /** Checks that the session loads a page and was not declared dead. */
    expectAlive: async () => {
      await s.driver.get(toUrl('<title>ok</title>'));
      expect(await s.driver.getTitle()).to.equal('ok');
      expect(s.deaths).to.deep.equal([]);
    },
  };
}

export function toUrl(page: string): string {
  return `data:text/html,${encodeURIComponent(page)}`;
}
