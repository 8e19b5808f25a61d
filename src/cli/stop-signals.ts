/**
 * How a person, a service or a vanished npm ends the program: asked once it stops by itself, asked again it goes at once. What it has
 * started is cleared by the driver's watchdog then.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { toError } from '../core/errors.ts';
import { isNpmScript, type Environment } from './invocation.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** One Ctrl+C arrives twice under npm: from the terminal, and forwarded by npm. */
const SAME_REQUEST_MS = 300;
const PARENT_POLL_MS = 500;
/** With npm gone nobody waits for the summary; a stop that is under way may still write its files. */
const ORPHAN_LIMIT_MS = 10_000;
const SHELL = /^-?(sh|dash|bash|zsh|ash|ksh|busybox)$/;

export type StopSignal = (typeof SIGNALS)[number];

export interface StopHandlers {
  /** The first request. */
  readonly onStop: (signal: StopSignal) => void;
  /** A second one, or npm was killed: end now. */
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
  const unwatch = watchParent(() => {
    if (firstAt === undefined) onKill();
    else setTimeout(onKill, ORPHAN_LIMIT_MS).unref();
  });
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    unwatch();
  };
}

/** Under npm only: killing npm outright must not leave its script behind, which a terminal would have told by SIGHUP. */
function watchParent(onGone: () => void, environment: Environment = process.env): () => void {
  if (!isNpmScript(environment)) return () => undefined;
  const parent = process.ppid;
  const npm = parentBehindShell(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === undefined || isRunning(npm))) return;
    clearInterval(timer);
    onGone();
  }, PARENT_POLL_MS).unref();
  return () => clearInterval(timer);
}

/** npm starts scripts by a shell. Where that stays between us, it outlives npm, so that its own parent is the one to watch. */
function parentBehindShell(pid: number): number | undefined {
  try {
    const [name = '', parent = ''] = process.platform === 'linux' ? readProc(pid) : readPs(pid);
    return SHELL.test(name) ? Number(parent) : undefined;
  } catch {
    // No such tool, or gone already: the parent itself is still watched.
    return undefined;
  }
}

/** proc(5): the name in parentheses, the state, the parent. */
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
