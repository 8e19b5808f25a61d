/**
 * Ends this program's sessions at other programs' endpoints if the program is killed. One small shell per program waits on a pipe from it,
 * and starts a program that ends the listed sessions when the pipe closes. The shell exists only while there are such sessions.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { browserEnvironment } from '../config/config.ts';
import type { Route } from './http-client.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const PROGRAM = fileURLToPath(new URL(`./end-remote-sessions.${EXTENSION}`, import.meta.url));

/** Each line is one session as JSON, or `done` and the id of a session that has ended. */
const SCRIPT = `
lines=
while read -r line; do lines="$lines$line
"; done
[ -n "$lines" ] && printf '%s' "$lines" | "$1" "$2"
`;
/**
 * A shell appends each line in a time that grows with their number, so it is replaced if more lines than these are out of date, and more than
 * there are open sessions.
 */
const MIN_OUTDATED_LINES = 500;

/** A session at another program's endpoint. */
export interface RemoteSession {
  /** The URL of the endpoint, with its credentials. */
  readonly url: string;
  readonly route?: Route | undefined;
  readonly sessionId: string;
}

/** The guard of this process: a program that is killed loses all its sessions at once. The lines are those of its open sessions, by id. */
const guard = { lines: new Map<string, string>(), outdated: 0, shell: undefined as ChildProcess | undefined };

/**
 * Ends the session if this program is killed. Returns the function that ends this guard. A session whose route needs an agent of the caller
 * is ended without it.
 */
export function guardRemoteSession({ url, route, sessionId }: RemoteSession): () => Promise<void> {
  const line = JSON.stringify({ url, sessionId, proxy: route?.proxy });
  guard.lines.set(sessionId, line);
  guard.shell ??= startShell();
  guard.shell.stdin?.write(`${line}\n`);
  return async () => {
    if (!guard.lines.delete(sessionId)) return;
    guard.outdated += 2;
    if (guard.lines.size > 0 && guard.outdated < Math.max(MIN_OUTDATED_LINES, guard.lines.size)) {
      guard.shell?.stdin?.write(`done ${sessionId}\n`);
      return;
    }
    const { shell } = guard;
    guard.outdated = 0;
    guard.shell = guard.lines.size === 0 ? undefined : startShell();
    // One write, because a thousand of them block the event loop.
    guard.shell?.stdin?.write([...guard.lines.values(), ''].join('\n'));
    await endShell(shell);
  };
}

function startShell(): ChildProcess {
  const name = 'webdriver-supervisor-remote-watchdog';
  const started = spawn('/bin/sh', ['-c', SCRIPT, name, process.execPath, PROGRAM], {
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
