import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { SessionStartError, SessionSupervisor } from 'webdriver-supervisor';
import {
  descendantsOf,
  freeze,
  isAlive,
  killProcess,
  listProcesses,
  waitUntilGone,
} from 'webdriver-supervisor/testing';

import { readProcessVariable } from '../../src/driver/process-table.ts';
import { eventually } from '../support/eventually.ts';

const LIMIT_MS = 60_000;

/** Resolves with the first browser process of this program. Polls, because there is no event. */
async function firstBrowser(): Promise<number> {
  for (;;) {
    const found = descendantsOf(process.pid, listProcesses()).find(
      ({ command }) => /--headless/.test(command) && !/--type=|crashpad/.test(command),
    );
    if (found !== undefined) return found.pid;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe('A browser that freezes while its session starts', () => {
  it('fails the start instead of blocking it, and leaves nothing', async () => {
    const starting = SessionSupervisor.start().catch((error: unknown) => error);
    await freeze(await firstBrowser());
    const startedAt = performance.now();
    const error = await starting;
    expect(error).to.be.instanceOf(SessionStartError);
    expect(performance.now() - startedAt).to.be.below(LIMIT_MS);
  });
});

describe('A start that is aborted', () => {
  /** Lists the processes of this test's browsers by their temporary folders. */
  const listOwn = () =>
    listProcesses().filter(({ pid, command }) => {
      const isOfBrowser = readProcessVariable(pid, 'TMPDIR')?.startsWith(path.join(tmpdir(), 'wds-')) === true;
      return isOfBrowser && !command.includes('watchdog') && isAlive(pid);
    });

  /** Aborts a start when its browser has a page, after `prepare` was called with the browser's crash handlers. */
  const giveUpStart = async (prepare: (handlers: readonly number[]) => Promise<unknown>) => {
    const giveUp = new AbortController();
    const starting = SessionSupervisor.start({ signal: giveUp.signal }).catch((error: unknown) => error);
    const hasPage = () => descendantsOf(process.pid).some(({ command }) => command.includes('--type=renderer'));
    await eventually(async () => hasPage(), 'a page of the browser');
    const handlers = listOwn().filter(({ command }) => command.includes('crashpad'));
    expect(handlers).not.to.deep.equal([]);
    await prepare(handlers.map(({ pid }) => pid));
    const givenUpAt = performance.now();
    giveUp.abort(new Error('given up'));
    expect(await starting).to.be.instanceOf(Error);
    return performance.now() - givenUpAt;
  };

  it('rejects after the last of its processes, crash handlers included, has ended', async () => {
    await giveUpStart(async () => undefined);
    expect(listOwn()).to.deep.equal([]);
  });

  it('waits at most 2 s for crash handlers that do not end', async () => {
    const frozen: number[] = [];
    try {
      const took = await giveUpStart(async (handlers) => {
        for (const pid of handlers) frozen.push(...(await freeze(pid)));
      });
      expect(took).to.be.within(1_900, 6_000);
    } finally {
      for (const pid of frozen) killProcess(pid);
    }
    await waitUntilGone(frozen);
  });
});
