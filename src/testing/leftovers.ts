import { readdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listProcesses, readProcessVariable, type ProcessInfo } from '../driver/driver.ts';
import { descendantsOf } from './processes.ts';

/** Name prefix of the temporary folders of sessions. */
const FOLDER_PREFIX = 'wds-';

/** What sessions of this program keep on the machine at one moment. */
export interface Leftovers {
  /** Drivers, browsers and watchdogs; zombies are left out: they hold nothing but their entry. */
  readonly processes: readonly ProcessInfo[];
  /** Absolute paths of the sessions' temporary folders. */
  readonly folders: readonly string[];
}

/**
 * Takes stock of the sessions' processes and folders, those of a program that was killed included. Sessions are told
 * by their folder `wds-…` in the folder for temporary files: a process belongs to one when its TMPDIR or its command
 * line names such a folder, or when it descends from one that does. `temporary` is the folder for temporary files of the
 * programs that are meant. Default: the one of this process.
 */
export function leftovers(table: readonly ProcessInfo[] = listProcesses(), temporary: string = tmpdir()): Leftovers {
  // On macOS the folder is behind a symbolic link, and processes may name either.
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

/** What is there now and wasn't there before. */
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
