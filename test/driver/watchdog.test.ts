import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { descendantsOf, isAlive, killProcess, waitUntilGone } from 'webdriver-supervisor/testing';

import { localBrowser } from './support/local-browser.ts';
import { openSession } from './support/sessions.ts';

const PROGRAM = fileURLToPath(new URL('./support/session-program.ts', import.meta.url));

/** Ways for a program to end without a chance to clear up, or without using it. */
const ENDINGS: readonly { readonly how: string; readonly argument: string; readonly signal?: NodeJS.Signals }[] = [
  { how: 'kill -9', argument: 'stay', signal: 'SIGKILL' },
  { how: 'SIGTERM without a handler', argument: 'stay', signal: 'SIGTERM' },
  { how: 'process.exit', argument: 'exit' },
  { how: 'an error that nobody catches', argument: 'throw' },
];

describe('Watchdog, on a real browser (law 6)', () => {
  for (const { how, argument, signal } of ENDINGS) {
    it(`leaves no driver, browser, watchdog or folder within 2 s of the program's end by ${how}`, async () => {
      const args = [
        '--conditions=webdriver-supervisor:source',
        '--disable-warning=ExperimentalWarning',
        PROGRAM,
        argument,
      ];
      const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      const ended = once(program, 'exit');
      let family: number[] = [];
      let facts: { driver: number; browser: number; folder: string } | undefined;
      for await (const line of createInterface(program.stdout)) {
        facts = JSON.parse(line) as NonNullable<typeof facts>;
        family = descendantsOf(program.pid!).map(({ pid }) => pid);
        if (signal !== undefined) killProcess(program.pid!, signal);
        break;
      }
      await ended;
      // Where the program ends by itself it may be faster than our look at its family.
      await waitUntilGone([facts!.driver, facts!.browser, ...family], { timeoutMs: 2_000 });
      expect(existsSync(facts!.folder)).to.equal(false);
    });
  }

  it('goes with a program that stops its session, and hits nobody', async () => {
    const s = await openSession(await localBrowser());
    const { folder } = s.session.driverProcess!;
    const watchdog = descendantsOf(process.pid).find(({ command }) => command.includes(`watchdog ${folder}`));
    expect(isAlive(watchdog!.pid)).to.equal(true);
    await s.session.stop();
    expect(isAlive(watchdog!.pid)).to.equal(false);
  });
});
