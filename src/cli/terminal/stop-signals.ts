/**
 * Stops the program for a user, a service or the end of npm. The first request ends it gracefully, the second one at once; the driver's
 * watchdog then clears away what the program has started.
 *
 * A signal for npm reaches this program in one of two ways. The scripts of this package replace npm's shell by this program (`exec`), so
 * npm forwards SIGINT and SIGTERM to it and waits for its exit code. In another chain of commands the shell ends and this program does not
 * get the signal; it then notices that its parent has gone.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { toError } from '../../core/errors.ts';
import { isNpmScript, type Environment } from './command-line.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** One Ctrl+C arrives twice under npm: from the terminal, and forwarded by npm. */
const SAME_REQUEST_MS = 500;
const PARENT_POLL_MS = 500;
/** The limit of a graceful stop without a parent process, which could ask a second time. */
const ORPHAN_LIMIT_MS = 30_000;
/** The parent process, read as early as possible: a parent that has gone before is not noticed. */
const PARENT = process.ppid;
const SHELL = /^-?(sh|dash|bash|zsh|ash|ksh|busybox)$/;

export type StopSignal = (typeof SIGNALS)[number];

export interface StopHandlers {
  /** The first request; `SIGTERM` also if npm or its shell has ended. */
  readonly onStop: (signal: StopSignal) => void;
  /** A second request, or a stop that takes too long without npm: end now. */
  readonly onKill: () => void;
}

/** Listens until the returned function is called. */
export function listenForStop({ onStop, onKill }: StopHandlers): () => void {
  let firstAt: number | undefined;
  const onSignal = (signal: StopSignal) => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      onStop(signal);
    } else if (now - firstAt > SAME_REQUEST_MS) {
      onKill();
    }
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  let limit: NodeJS.Timeout | undefined;
  const unwatch = watchParent(() => {
    limit = setTimeout(onKill, ORPHAN_LIMIT_MS).unref();
    if (firstAt === undefined) onSignal('SIGTERM');
  });
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    clearTimeout(limit);
    unwatch();
  };
}

/** Calls `onGone` when npm or its shell has ended. Does nothing for a program that npm did not start. */
function watchParent(onGone: () => void, environment: Environment = process.env): () => void {
  if (!isNpmScript(environment)) return () => undefined;
  const npm = parentBehindShell(PARENT);
  const timer = setInterval(() => {
    if (process.ppid === PARENT && (npm === undefined || isRunning(npm))) return;
    clearInterval(timer);
    onGone();
  }, PARENT_POLL_MS).unref();
  return () => clearInterval(timer);
}

/** Returns the parent of a shell, which can outlive npm; undefined if `pid` is not a shell. */
function parentBehindShell(pid: number): number | undefined {
  try {
    const [name = '', parent = ''] = process.platform === 'linux' ? readProc(pid) : readPs(pid);
    return SHELL.test(name) ? Number(parent) : undefined;
  } catch {
    // There is no such tool, or the process has gone already. The parent itself is still watched.
    return undefined;
  }
}

/** See proc(5): the name in parentheses, the state, the parent. */
function readProc(pid: number): string[] {
  const [, name = '', parent = ''] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
  return [name, parent];
}

function readPs(pid: number): string[] {
  const [parent = '', command = ''] = execFileSync('ps', ['-o', 'ppid=,comm=', '-p', String(pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
  return [command.split('/').at(-1) ?? '', parent];
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return (toError(thrown) as NodeJS.ErrnoException).code === 'EPERM';
  }
}
