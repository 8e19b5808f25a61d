/** Ends what a session left whose own program can't: processes and folder on this machine, or a session on somebody's endpoint. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { SupervisorError, toError } from '../core/errors.ts';
import { HttpClient, type Route } from './http-client.ts';
import { listProcesses, readProcessVariable, type ProcessInfo } from './process-table.ts';

/** Temporary folders of sessions begin with this. */
export const FOLDER_PREFIX = 'wds-';
const GONE_LIMIT_MS = 5_000;
const HANDLERS_LIMIT_MS = 2_000;
const POLL_MS = 10;
/** The whole table of processes is read each time. */
const GRACE_POLL_MS = 250;
const DELETE_LIMIT_MS = 5_000;

export interface LeftProcesses {
  /** The driver's, which was its group's too. */
  readonly driverPid: number | null;
  /** The session's temporary folder. */
  readonly folder: string | null;
  /** How long they are waited for to end by themselves. Default 0. */
  readonly graceMs?: number;
}

/** Processes of a session that is over are still there. */
export class ProcessesLeftError extends SupervisorError {
  readonly code = 'processes-left';
  readonly consequence = 'retry';

  constructor(pids: readonly number[]) {
    super(`Processes of the session could not be ended: ${pids.join(', ')}. End them as the user who started them.`, {
      data: { pids },
    });
  }
}

/**
 * Ends driver and browser of a session whose program is gone, and removes their folder. Group ids are used again by the system: nothing
 * is ended that does not have the session's own folder in its environment or its command line. Returns how many processes there were;
 * rejects with {@link ProcessesLeftError} where some are still there.
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
 * Resolves when no process of the session with this folder is left, and after 2 s at the latest: Chromium's crash handlers have groups of their
 * own, and end by themselves a moment after their browser (100 ms, measured). Reads the whole table of processes each time.
 */
export function waitForProcesses(folder: string): Promise<void> {
  const find = () => listProcesses().filter((info) => isOfSession(info, folder));
  return untilNone(find, { limitMs: HANDLERS_LIMIT_MS, everyMs: POLL_MS });
}

/** The end of somebody else's child is no event. */
async function untilNone(
  find: () => readonly ProcessInfo[],
  { limitMs, everyMs }: { readonly limitMs: number; readonly everyMs: number },
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline && find().length > 0) await sleep(everyMs);
}

/** Asks an endpoint to end a session that is nobody's any more. Rejects where it can't be reached; a session that is gone is no error. */
export async function deleteRemoteSession(url: string, sessionId: string, route?: Route): Promise<void> {
  const http = new HttpClient(url, route);
  try {
    const signal = AbortSignal.timeout(DELETE_LIMIT_MS);
    await http.send({ method: 'DELETE', path: `/session/${encodeURIComponent(sessionId)}`, signal });
  } finally {
    http.close();
  }
}

export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (thrown) {
    // The whole group has gone already, which is what was wanted; macOS says EPERM while its zombies are still listed.
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

/** Not the watchdog: it ends by itself when its program does, and until then it is that program's net. */
function isOfSession({ pid, state, command }: ProcessInfo, folder: string): boolean {
  if (/[ZX]/.test(state) || command.includes('webdriver-supervisor-watchdog')) return false;
  return readProcessVariable(pid, 'TMPDIR') === folder || command.includes(`${folder}/`);
}
