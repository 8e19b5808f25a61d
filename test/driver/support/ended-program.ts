import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { descendantsOf, killProcess, waitUntilGone } from 'webdriver-supervisor/testing';

const PROGRAM = fileURLToPath(new URL('session-program.ts', import.meta.url));

/** The processes and the folder of another program's session. */
interface Facts {
  readonly driver: number;
  readonly browser: number;
  readonly folder: string;
}

/** Runs a program that starts a session and then ends, by itself or by a signal. Checks that all leftovers are gone soon afterwards. */
export async function expectNothingAfter(
  argument: string,
  {
    signal,
    browserName = 'chrome',
  }: { readonly signal?: NodeJS.Signals; readonly browserName?: 'chrome' | 'firefox' } = {},
): Promise<void> {
  const flags = ['--conditions=webdriver-supervisor:source', '--disable-warning=ExperimentalWarning'];
  const args = [...flags, PROGRAM, argument, browserName];
  const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(program, 'exit');
  const lines = createInterface(program.stdout);
  const [line] = (await once(lines, 'line')) as [string];
  const { driver, browser, folder } = JSON.parse(line) as Facts;
  // A program that ends by itself may end before this call.
  const family = descendantsOf(program.pid!).map(({ pid }) => pid);
  if (signal !== undefined) killProcess(program.pid!, signal);
  await ended;
  await waitUntilGone([driver, browser, ...family], { timeoutMs: 2_000 });
  expect(existsSync(folder)).to.equal(false);
}
