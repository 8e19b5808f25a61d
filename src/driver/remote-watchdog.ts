/**
 * Ends this program's sessions at other programs' endpoints if the program is killed. One small shell per program waits on a pipe from it,
 * and starts a program that ends the listed sessions when the pipe closes. The shell exists only while there are such sessions.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { browserEnvironment } from '../config/config.ts';
import type { RemoteSession } from './remote-session.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const PROGRAM = fileURLToPath(new URL(`./end-remote-sessions.${EXTENSION}`, import.meta.url));

/** Each line is one session as JSON, or `done` and the id of a session that has ended. */
const SCRIPT = `
lines=
while read -r line; do lines="$lines$line
"; done
[ -n "$lines" ] && printf '%s' "$lines" | "$1" "$2"
`;

/** The shell of this process: a program that is killed loses all its sessions at once. */
let shell: ChildProcess | undefined;
const guarded = new Set<string>();

/**
 * Ends the session if this program is killed. Returns the function that ends this guard. A session whose route needs an agent of the caller
 * is ended without it.
 */
export function guardRemoteSession({ url, route, sessionId }: RemoteSession): () => Promise<void> {
  const line = JSON.stringify({ url, sessionId, proxy: route?.proxy });
  guarded.add(sessionId);
  shell ??= startShell();
  shell.stdin?.write(`${line}\n`);
  return async () => {
    if (!guarded.delete(sessionId)) return;
    const old = shell;
    if (guarded.size > 0) return void old?.stdin?.write(`done ${sessionId}\n`);
    shell = undefined;
    await endShell(old);
  };
}

function startShell(): ChildProcess {
  const started = spawn('/bin/sh', ['-c', SCRIPT, 'webdriver-supervisor-remote-watchdog', process.execPath, PROGRAM], {
    detached: true,
    env: browserEnvironment({}),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // If the shell can't start, the sessions work without this protection.
  started.once('error', () => undefined);
  started.stdin?.on('error', () => undefined);
  started.unref();
  return started;
}

async function endShell(started: ChildProcess | undefined): Promise<void> {
  if (started?.pid === undefined || started.exitCode !== null || started.signalCode !== null) return;
  const exited = once(started, 'exit');
  started.ref();
  started.kill('SIGKILL');
  await exited;
}
