/**
 * Temporary folders of sessions. The registry knows the folder of each session, but not the folder of a driver or a browser that waits for
 * the next session. Such a folder names its program instead, so that another program can remove it when that program is gone.
 */
import { accessSync, constants, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';

import { PRIVATE_FILE_MODE } from '../core/folders.ts';
import { isProcessGone, thisProcess } from './process-identity.ts';
import { endLeftProcesses, FOLDER_PREFIX } from './reap.ts';

/** The path of a Unix socket has at most 104 characters (macOS), and Chromium appends about 60 to the folder. */
const MAX_TEMP_ROOT_LENGTH = 30;
/** The file with the host, the pid and the identity of the folder's program, one on each line. */
const PROGRAM_FILE = 'program';

/** Returns the folder that contains the temporary folders of this program's sessions. */
export function temporaryRoot(): string {
  const root = tmpdir();
  if (root.length <= MAX_TEMP_ROOT_LENGTH) return root;
  try {
    accessSync('/tmp', constants.W_OK);
    return '/tmp';
  } catch {
    return root;
  }
}

/** Stores in `folder` that it belongs to this program. */
export function nameProgram(folder: string): void {
  const { host, pid, identity } = thisProcess();
  writeFileSync(path.join(folder, PROGRAM_FILE), `${host}\n${pid}\n${identity}`, { mode: PRIVATE_FILE_MODE });
}

/**
 * Ends the processes in the folders whose program is certain to be gone, and removes the folders. Returns the number of folders. Rejects as
 * `endLeftProcesses` does.
 */
export async function endLeftFolders(): Promise<number> {
  const root = temporaryRoot();
  const names = readdirSync(root).filter((name) => name.startsWith(FOLDER_PREFIX));
  const left = names.map((name) => path.join(root, name)).filter(isLeft);
  for (const folder of left) await endLeftProcesses({ driverPid: null, folder });
  return left.length;
}

/** Returns true if the folder's program is gone. Another user could name any program, so only this user's folders count. */
function isLeft(folder: string): boolean {
  try {
    const stats = lstatSync(folder);
    if (!stats.isDirectory() || stats.uid !== userInfo().uid) return false;
    const [host = '', pid, identity = ''] = readFileSync(path.join(folder, PROGRAM_FILE), 'utf8').split('\n');
    return isProcessGone({ host, pid: Number(pid), identity });
  } catch {
    // The folder names no program, or it was removed in the meantime.
    return false;
  }
}
