/** Finds the browsers of a program from outside. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { descendantsOf, findBrowserProcess, listProcesses, type ProcessInfo } from 'webdriver-supervisor/testing';

const POLL_MS = 10;
/** The titles of a tab before its first page: a new tab, and one that was tidied for the next item. */
const BLANK_TITLES = ['data:,', 'about:blank'];

export interface OutsideSession {
  readonly driver: ProcessInfo;
  readonly browser: ProcessInfo;
}

/** Returns the current sessions of a program. */
export function sessionsOf(programPid: number): OutsideSession[] {
  const drivers = descendantsOf(programPid, listProcesses()).filter(
    ({ state, command }) => state !== 'Z' && /chromedriver\b.*--port=/.test(command),
  );
  return drivers.flatMap((driver) => {
    const browser = findBrowserProcess(driver.pid);
    return browser === undefined ? [] : [{ driver, browser }];
  });
}

/**
 * Resolves with true when the browser's tab has shown its first page. Chromium reports nothing if the renderer dies before that, and the
 * command that loads the page waits for its time limit (measured). Resolves with false if the browser is gone.
 */
export async function hasShownPage(browser: ProcessInfo, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const pages = await listPages(browser, signal);
    if (pages === undefined) return false;
    if (pages.some(isShown)) return true;
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** Returns the sessions whose tab has shown a page. */
export async function filterShown(sessions: readonly OutsideSession[], signal: AbortSignal): Promise<OutsideSession[]> {
  const shown = await Promise.all(
    sessions.map(async (session) => {
      const pages = await listPages(session.browser, signal);
      return pages?.some(isShown) === true ? [session] : [];
    }),
  );
  return shown.flat();
}

function isShown({ type, title }: Page): boolean {
  return type === 'page' && !BLANK_TITLES.includes(title);
}

interface Page {
  readonly type: string;
  readonly title: string;
}

async function listPages({ command }: ProcessInfo, signal: AbortSignal): Promise<Page[] | undefined> {
  const folder = / --user-data-dir=(\S+)/.exec(command)?.[1] ?? '';
  try {
    const [port] = readFileSync(path.join(folder, 'DevToolsActivePort'), 'utf8').split('\n');
    const answer = await fetch(`http://127.0.0.1:${port}/json`, { signal });
    return (await answer.json()) as Page[];
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
