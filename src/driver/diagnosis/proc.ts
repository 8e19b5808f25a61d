/** Reads facts about processes from /proc. All reads are synchronous, because the processes are killed right after a death. */
import { readdirSync, readlinkSync } from 'node:fs';

import { readStat, readText } from '../process-table.ts';
import type { ProcessEnd, Usage } from './facts.ts';

/** Returns the names in a folder; none if it is not readable. */
function listNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** A process and its start time, because the system reuses pids. */
export interface KnownProcess {
  readonly pid: number;
  readonly startedAt: string;
}

export function identify(pid: number | undefined): KnownProcess | undefined {
  const startedAt = pid === undefined ? undefined : readStat(pid)?.startedAt;
  return pid === undefined || startedAt === undefined ? undefined : { pid, startedAt };
}

/**
 * Returns how a process ended, or its state; undefined if it is gone. A dead browser stays in the process table until chromedriver, its
 * parent, asks for its status, which it does at the next command. Its exit status is there before its sockets close (measured).
 */
export function readEnd({ pid, startedAt }: KnownProcess): ProcessEnd | undefined {
  const stat = readStat(pid);
  if (stat?.startedAt !== startedAt) return undefined;
  const { state, exitStatus } = stat;
  if (/[Tt]/.test(state)) return { kind: 'stopped' };
  const signal = exitStatus & 0x7f;
  if (signal !== 0) return { kind: 'signal', signal };
  return /[ZX]/.test(state) ? { kind: 'code', code: (exitStatus >> 8) & 0xff } : { kind: 'running' };
}

/** Returns a soft limit of proc_pid_limits(5), such as `Max open files`; undefined if it is unlimited or unreadable. */
export function readLimit(pid: number, name: string): number | undefined {
  const line = readText(`/proc/${pid}/limits`)
    ?.split('\n')
    .find((one) => one.startsWith(name));
  const limit = Number(line?.slice(name.length).trim().split(/\s+/)[0]);
  return Number.isFinite(limit) ? limit : undefined;
}

export function readDescriptors(pid: number): Usage | undefined {
  const used = listNames(`/proc/${pid}/fd`).length;
  const limit = readLimit(pid, 'Max open files');
  return used === 0 || limit === undefined ? undefined : { used, limit };
}

/** Returns whether a process has a file of this folder open. */
export function hasOpenFileIn(folder: string, pid: number): boolean {
  return listNames(`/proc/${pid}/fd`).some((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`).startsWith(`${folder}/`);
    } catch {
      // It was closed in the meantime.
      return false;
    }
  });
}
