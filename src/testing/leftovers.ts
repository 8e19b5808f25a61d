import { readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listProcesses, readProcessVariable, type ProcessInfo } from '../driver/driver.ts';
import { descendantsOf } from './processes.ts';

/** The name prefix of the temporary folders of sessions. */
const FOLDER_PREFIX = 'wds-';

/** The processes and folders of sessions at one moment. */
export interface Leftovers {
  /** Drivers, browsers and watchdogs, without zombies, which occupy only their entry in the process table. */
  readonly processes: readonly ProcessInfo[];
  /** The absolute paths of the sessions' temporary folders. */
  readonly folders: readonly string[];
}

/**
 * Lists the processes and folders of sessions, those of killed programs included. A session is recognised by its folder `wds-…` in the
 * folder for temporary files: a process belongs to a session if its TMPDIR or its command line names such a folder, or if it descends from
 * such a process. `temporary` is the programs' folder for temporary files. Default: the one of this process.
 */
export function leftovers(table: readonly ProcessInfo[] = listProcesses(), temporary: string = tmpdir()): Leftovers {
  // On macOS the folder is behind a symbolic link, and processes may use either path.
  const roots = [...new Set([temporary, realpathSync(temporary)])].map((folder) => join(folder, FOLDER_PREFIX));
  const isOfSession = (text: string): boolean => roots.some((root) => text.includes(root));
  const heads = table.filter(
    ({ pid, command }) => isOfSession(command) || isOfSession(readProcessVariable(pid, 'TMPDIR') ?? ''),
  );
  const all = new Map<number, ProcessInfo>();
  for (const head of heads) for (const member of [head, ...descendantsOf(head.pid, table)]) all.set(member.pid, member);
  const processes = [...all.values()].filter(({ pid, state }) => state !== 'Z' && state !== 'X' && pid !== process.pid);
  const names = readdirSync(temporary).filter((name) => name.startsWith(FOLDER_PREFIX));
  return { processes, folders: names.map((name) => join(temporary, name)) };
}

/** Returns the leftovers in `now` that are not in `before`. */
export function newLeftovers(before: Leftovers, now: Leftovers = leftovers()): Leftovers {
  const known = new Set(before.processes.map(identityOf));
  return {
    processes: now.processes.filter((info) => !known.has(identityOf(info))),
    folders: now.folders.filter((folder) => !before.folders.includes(folder)),
  };
}

function identityOf({ pid, startedAt }: ProcessInfo): string {
  return `${pid} ${startedAt}`;
}
