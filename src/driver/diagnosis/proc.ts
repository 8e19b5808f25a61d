/** Reads facts about processes from /proc. All reads are synchronous, because the processes are killed right after a death. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import type { ProcessEnd, Usage } from './facts.ts';

const KIB = 1024;

/** Returns a file's text; undefined if it does not exist or is not readable, as on systems without /proc. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

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
  const fields = pid === undefined ? undefined : readStatFields(pid);
  return pid === undefined || fields === undefined ? undefined : { pid, startedAt: fields[19] ?? '' };
}

/**
 * Returns how a process ended, or its state; undefined if it is gone. A dead browser stays in the process table until chromedriver, its
 * parent, asks for its status, which it does at the next command. Its exit status is there before its sockets close (measured).
 */
export function readEnd({ pid, startedAt }: KnownProcess): ProcessEnd | undefined {
  const fields = readStatFields(pid);
  if (fields === undefined || fields[19] !== startedAt) return undefined;
  const [state = ''] = fields;
  // The field `exit_code` of proc_pid_stat(5) has the form of waitpid(2): the signal in the lowest seven bits, or the code above eight bits.
  const status = Number(fields[49]);
  if (/[Tt]/.test(state)) return { kind: 'stopped' };
  const signal = status & 0x7f;
  if (signal !== 0) return { kind: 'signal', signal };
  return /[ZX]/.test(state) ? { kind: 'code', code: (status >> 8) & 0xff } : { kind: 'running' };
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

/** The memory of a browser's processes without shared parts, in bytes. */
export interface TreeMemory {
  readonly totalBytes: number;
  readonly largestBytes: number;
}

/** Reads the memory of a browser and its descendants; undefined if the browser is gone. Takes 0.5 ms for an ordinary browser. */
export function readTreeMemory(browserPid: number): TreeMemory | undefined {
  const sizes = listBrowserProcesses(browserPid).map(readPrivateBytes);
  const totalBytes = sizes.reduce((total, size) => total + size, 0);
  return totalBytes === 0 ? undefined : { totalBytes, largestBytes: Math.max(...sizes) };
}

/**
 * Lists a browser and its descendants. Only the browser starts processes from several threads; the zygotes, which start the renderers, have
 * one thread each.
 */
function listBrowserProcesses(browserPid: number): number[] {
  const pids = [browserPid];
  for (const thread of listNames(`/proc/${browserPid}/task`)) pids.push(...readChildren(browserPid, thread));
  // The list grows while it is walked.
  for (const pid of pids) if (pid !== browserPid) pids.push(...readChildren(pid, String(pid)));
  return pids;
}

function readChildren(pid: number, thread: string): number[] {
  const text = readText(`/proc/${pid}/task/${thread}/children`)?.trim() ?? '';
  return text === '' ? [] : text.split(' ').map(Number);
}

function readPrivateBytes(pid: number): number {
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1];
  return Number(anonymous ?? 0) * KIB;
}

/** Returns the fields of proc_pid_stat(5) from the third one, `state`. The name before them may contain spaces and parentheses. */
function readStatFields(pid: number): string[] | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}
