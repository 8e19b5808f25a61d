/** Identifies a process across its end, because the system reuses pids. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

import type { ProcessIdentity } from '../model/process.ts';
import { readProcess } from './process-table.ts';

const SEPARATOR = '/';

export function thisProcess(): ProcessIdentity {
  const startedAt = readProcess(process.pid)?.startedAt ?? 'unknown';
  return { host: hostname(), pid: process.pid, identity: [bootAndNamespace(), startedAt].join(SEPARATOR) };
}

/**
 * Returns true only if it is certain that the process is gone: it ran on this machine, since the last boot, in this process's own pid
 * namespace, and is not listed any more. Other processes can be judged only by their lease.
 */
export function isProcessGone(process: ProcessIdentity): boolean {
  return isOnThisMachine(process) && !isListed(process);
}

/**
 * Returns true only if it is certain that the process exists: it is on this machine, in this process's own pid namespace, running or
 * suspended.
 */
export function isProcessThere(process: ProcessIdentity): boolean {
  return isOnThisMachine(process) && isListed(process);
}

/** Returns true only if {@link isProcessThere} does and the process is not suspended, so that it can react to a request. */
export function isProcessRunning(process: ProcessIdentity): boolean {
  return isProcessThere(process) && !/[Tt]/.test(readProcess(process.pid)?.state ?? 'T');
}

function isOnThisMachine({ host, identity }: ProcessIdentity): boolean {
  return host === hostname() && identity.slice(0, identity.lastIndexOf(SEPARATOR)) === bootAndNamespace();
}

function isListed({ pid, identity }: ProcessIdentity): boolean {
  const found = readProcess(pid);
  const startedAt = identity.slice(identity.lastIndexOf(SEPARATOR) + 1);
  return found !== undefined && !/[ZX]/.test(found.state) && found.startedAt === startedAt;
}

/**
 * Returns the identity of the machine's boot and of the pid namespace. A host name is not enough: two containers may share one, and so may
 * a cloned machine and its original.
 */
function bootAndNamespace(): string {
  if (process.platform !== 'linux') return process.platform;
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    // If they can't be read, no process is ever certain to be gone: this text is unique.
    return `unknown:${process.pid}:${Date.now()}`;
  }
}
