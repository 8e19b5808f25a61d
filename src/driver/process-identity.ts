/** Which process is meant, now and after it is gone: pids are given out again. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

import type { ProcessIdentity } from '../model/process.ts';
import { readProcess } from './process-table.ts';

const SEPARATOR = '/';

export function thisProcess(): ProcessIdentity {
  const startedAt = readProcess(process.pid)?.startedAt ?? 'unknown';
  return { host: hostname(), pid: process.pid, identity: [placeOfPids(), startedAt].join(SEPARATOR) };
}

/**
 * True only where that is certain: the process ran on this machine, since its last start, in our own name space of pids, and is not there
 * any more. Of all others only their lease can tell.
 */
export function isProcessGone(process: ProcessIdentity): boolean {
  return isOfThisPlace(process) && !isListed(process);
}

/** True only where that is certain: the process is on this machine, in our own name space of pids, running or suspended. */
export function isProcessThere(process: ProcessIdentity): boolean {
  return isOfThisPlace(process) && isListed(process);
}

/** The same, and it is not suspended: it can do something about what it is told. */
export function isProcessRunning(process: ProcessIdentity): boolean {
  return isProcessThere(process) && !/[Tt]/.test(readProcess(process.pid)?.state ?? 'T');
}

function isOfThisPlace({ host, identity }: ProcessIdentity): boolean {
  return host === hostname() && identity.slice(0, identity.lastIndexOf(SEPARATOR)) === placeOfPids();
}

function isListed({ pid, identity }: ProcessIdentity): boolean {
  const found = readProcess(pid);
  const startedAt = identity.slice(identity.lastIndexOf(SEPARATOR) + 1);
  return found !== undefined && !/[ZX]/.test(found.state) && found.startedAt === startedAt;
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
