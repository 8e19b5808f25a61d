/** Which process is meant, now and after it is gone: pids are given out again. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

import { readProcess } from './process-table.ts';

export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** The start of the machine, the pid's name space and the start of the process: what makes a pid mean one process. */
  readonly identity: string;
}

const SEPARATOR = '/';

export function thisProcess(): ProcessIdentity {
  const startedAt = readProcess(process.pid)?.startedAt ?? 'unknown';
  return { host: hostname(), pid: process.pid, identity: [placeOfPids(), startedAt].join(SEPARATOR) };
}

/**
 * True only where that is certain: the process ran on this machine, since its last start, in our own name space of pids, and is not there
 * any more. Of all others only their lease can tell.
 */
export function isProcessGone({ host, pid, identity }: ProcessIdentity): boolean {
  const at = identity.lastIndexOf(SEPARATOR);
  if (host !== hostname() || identity.slice(0, at) !== placeOfPids()) return false;
  const found = readProcess(pid);
  return found === undefined || /[ZX]/.test(found.state) || found.startedAt !== identity.slice(at + 1);
}

/** Two containers may have one host name, and a cloned machine its original's. */
function placeOfPids(): string {
  if (process.platform !== 'linux') return process.platform;
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    // Where that can't be read no process is ever certain to be gone: nobody else has this text.
    return `unknown:${process.pid}:${Date.now()}`;
  }
}
