import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { descendantsOf, waitUntilGone } from '../../src/testing/processes.ts';
import { send } from './send.ts';

const BROWSER_FLAGS = [
  '--headless=new',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-sandbox',
];

/** A driver process that a test starts without `src/driver`, to test the kit below it. */
export interface RealDriver extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly url: string;
  openSession(): Promise<{ id: string; url: string; browserPid: number }>;
}

/** Returns the path of the real chromedriver in PATH. */
export function findChromedriver(): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, 'chromedriver'), constants.X_OK);
      return join(folder, 'chromedriver');
    } catch {
      continue;
    }
  }
  throw new Error('chromedriver is not in PATH.');
}

/** Starts a driver in its own process group with a session folder as TMPDIR. Disposing of it kills the group and removes the folder. */
export async function startRealDriver(executable = findChromedriver()): Promise<RealDriver> {
  const folder = mkdtempSync(join(tmpdir(), 'wds-'));
  const child = spawn(executable, ['--port=0'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: folder },
  });
  const pid = child.pid ?? 0;
  const ended = once(child, 'exit');
  let port: string | undefined;
  for await (const line of createInterface(child.stdout)) {
    port = /started successfully on port (\d+)/.exec(line)?.[1];
    if (port !== undefined) break;
  }
  child.stdout.resume();
  const url = `http://127.0.0.1:${port}`;
  return {
    process: child,
    pid,
    url,
    async openSession() {
      const alwaysMatch = { 'goog:chromeOptions': { args: BROWSER_FLAGS } };
      const { json, text } = await send(`${url}/session`, { method: 'POST', body: { capabilities: { alwaysMatch } } });
      if (json?.value?.sessionId === undefined) throw new Error(`The driver started no session: ${text}`);
      const { sessionId: id, capabilities } = json.value;
      return { id, url: `${url}/session/${id}`, browserPid: capabilities['goog:processID'] };
    },
    async [Symbol.asyncDispose]() {
      const family = descendantsOf(pid).map((member) => member.pid);
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // The group has ended already.
      }
      await ended;
      await waitUntilGone(family);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
