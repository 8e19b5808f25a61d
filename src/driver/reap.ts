/** Ends the processes of a session whose own program can't, and removes their folder. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { SupervisorError, toError } from '../core/errors.ts';
import { listProcesses, readProcessVariable, type ProcessInfo } from './process-table.ts';

/** The prefix of the names of the sessions' temporary folders. */
export const FOLDER_PREFIX = 'wds-';
const GONE_LIMIT_MS = 5_000;
const HANDLERS_LIMIT_MS = 2_000;
const POLL_MS = 10;
/** Each poll reads the whole process table. */
const GRACE_POLL_MS = 250;

export interface LeftProcesses {
  /** The driver's pid, which is also the id of its process group. */
  readonly driverPid: number | null;
  /** The session's temporary folder. */
  readonly folder: string | null;
  /** The time that the processes get to end by themselves. Default 0. */
  readonly graceMs?: number;
}

/** Processes of an ended session are still running. */
class ProcessesLeftError extends SupervisorError {
  readonly code = 'processes-left';
  readonly consequence = 'retry';

  constructor(pids: readonly number[]) {
    super(`Processes of the session could not be ended: ${pids.join(', ')}. End them as the user who started them.`, {
      data: { pids },
    });
  }
}

/**
 * Ends the driver and the browser of a session whose program is gone, and removes their folder. The system reuses group ids, so only
 * processes with the session's folder in their environment or their command line are ended. Returns the number of processes found. Rejects
 * with {@link ProcessesLeftError} if some are still running.
 */
export async function endLeftProcesses({ driverPid, folder, graceMs = 0 }: LeftProcesses): Promise<number> {
  if (folder === null || !path.basename(folder).startsWith(FOLDER_PREFIX)) return 0;
  const find = () => listProcesses().filter((info) => isOfSession(info, folder));
  await untilNone(find, { limitMs: graceMs, everyMs: GRACE_POLL_MS });
  const found = find();
  for (const group of new Set(found.map(({ pgid }) => pgid))) if (group === driverPid) killGroup(group);
  for (const { pid, pgid } of found) if (pgid !== driverPid) killOne(pid);
  await untilNone(find, { limitMs: GONE_LIMIT_MS, everyMs: POLL_MS });
  const left = find().map(({ pid }) => pid);
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  if (left.length > 0) throw new ProcessesLeftError(left);
  return found.length;
}

/**
 * Resolves when no process of the session with this folder is left, at the latest after 2 s. Chromium's crash handlers have process groups
 * of their own and end by themselves 100 ms after their browser (measured). Each poll reads the whole process table.
 */
export function waitForProcesses(folder: string): Promise<void> {
  const find = () => listProcesses().filter((info) => isOfSession(info, folder));
  return untilNone(find, { limitMs: HANDLERS_LIMIT_MS, everyMs: POLL_MS });
}

/** Polls, because no event reports the end of another program's child process. */
async function untilNone(
  find: () => readonly ProcessInfo[],
  { limitMs, everyMs }: { readonly limitMs: number; readonly everyMs: number },
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline && find().length > 0) await sleep(everyMs);
}

export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (thrown) {
    // The whole group is already gone. macOS reports EPERM while its zombies are still listed.
    const { code } = toError(thrown) as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw thrown;
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (thrown) {
    if ((toError(thrown) as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
}

/**
 * Returns whether a process belongs to the session. The watchdog does not: it ends by itself with its program, and protects that program
 * until then.
 */
function isOfSession({ pid, state, command }: ProcessInfo, folder: string): boolean {
  if (/[ZX]/.test(state) || command.includes('webdriver-supervisor-watchdog')) return false;
  return readProcessVariable(pid, 'TMPDIR') === folder || command.includes(`${folder}/`);
}
