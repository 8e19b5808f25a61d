/**
 * Reads the limits and events of a process's cgroups, of both versions. The folders are resolved once, because a dead process has no cgroup
 * any more.
 */
import { totalmem } from 'node:os';
import path from 'node:path';

import type { Usage } from './facts.ts';
import { readText } from '../process-table.ts';

interface Hierarchy {
  readonly version: 1 | 2;
  /** The folders from the process's own cgroup up to the mount point. */
  readonly folders: readonly string[];
}

/** The cgroups of one process. */
export interface Cgroups {
  readonly memory: Hierarchy | undefined;
  readonly pids: Hierarchy | undefined;
}

/** The files of the memory controller in each version. `cache` is an entry of `memory.stat`. */
const FILES = {
  1: {
    limit: 'memory.limit_in_bytes',
    usage: 'memory.usage_in_bytes',
    peak: 'memory.max_usage_in_bytes',
    cache: 'total_inactive_file',
    events: 'memory.oom_control',
  },
  2: {
    limit: 'memory.max',
    usage: 'memory.current',
    peak: 'memory.peak',
    cache: 'inactive_file',
    events: 'memory.events',
  },
} as const;
/** Version 1 shows the lack of a limit as a number near 2^63. */
const MIN_UNLIMITED_BYTES = 2 ** 60;

/** Finds the cgroups of a process. `root` is the folder with `proc` and the mounted hierarchies. @default '/' */
export function findCgroups(pid: number, root = '/'): Cgroups {
  const memberships = (readText(path.join(root, `proc/${pid}/cgroup`)) ?? '').split('\n');
  const mounts = (readText(path.join(root, `proc/self/mountinfo`)) ?? '').split('\n').map(parseMount);
  const find = (controller: string): Hierarchy | undefined => {
    const v1 = resolve(controller, 1);
    return v1 ?? resolve('', 2);
  };
  const resolve = (controller: string, version: 1 | 2): Hierarchy | undefined => {
    const place = memberships
      .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
      .find((match) => (version === 2 ? match?.[1] === '' : match?.[1]?.split(',').includes(controller)));
    const mount = mounts.find((one) =>
      version === 2 ? one?.type === 'cgroup2' : one?.type === 'cgroup' && one.options.includes(controller),
    );
    if (place?.[2] === undefined || mount === undefined) return undefined;
    // In a container, the mount shows only a part of the hierarchy, whose name the membership may or may not repeat.
    const below = `${place[2]}/`.startsWith(`${mount.root}/`) ? place[2].slice(mount.root.length) : place[2];
    return { version, folders: climb(path.join(root, mount.point), below) };
  };
  return { memory: find('memory'), pids: find('pids') };
}

/** Returns the tightest memory limit of the cgroups and the use of its cgroup without file caches; undefined if there is no limit. */
export function readMemory(cgroups: Cgroups): Usage | undefined {
  const tightest = findTightest(cgroups);
  if (tightest === undefined) return undefined;
  const { folder, limit, files } = tightest;
  const usage = readNumber(path.join(folder, files.usage)) ?? 0;
  const cache = readEntry(path.join(folder, 'memory.stat'), files.cache) ?? 0;
  return { used: Math.max(0, usage - cache), limit };
}

/** Returns the tightest memory limit in bytes of the cgroups of a process; undefined if there is none below the memory of the machine. */
export function readMemoryLimit(pid: number): number | undefined {
  const limit = findTightest(findCgroups(pid))?.limit ?? Infinity;
  return limit < totalmem() ? limit : undefined;
}

/** Returns the highest use, with file caches, of the cgroup with the tightest limit. Linux before 5.19 shows it only in version 1. */
export function readMemoryPeak(cgroups: Cgroups): number | undefined {
  const tightest = findTightest(cgroups);
  return tightest && readNumber(path.join(tightest.folder, tightest.files.peak));
}

function findTightest({ memory }: Cgroups) {
  if (memory === undefined) return undefined;
  const files = FILES[memory.version];
  const limits = memory.folders.map((folder) => {
    return { folder, files, limit: readNumber(path.join(folder, files.limit)) ?? Infinity };
  });
  return limits.filter(({ limit }) => limit < MIN_UNLIMITED_BYTES).toSorted((a, b) => a.limit - b.limit)[0];
}

/** Returns the number of processes of the process's own cgroup that the kernel killed for lack of memory. */
export function readOomKills({ memory }: Cgroups): number | undefined {
  const [own] = memory?.folders ?? [];
  if (memory === undefined || own === undefined) return undefined;
  return readEntry(path.join(own, FILES[memory.version].events), 'oom_kill');
}

/** Returns the tightest limit of processes and threads, and their number; undefined if there is no limit. */
export function readProcesses({ pids }: Cgroups): Usage | undefined {
  const usages = (pids?.folders ?? []).flatMap((folder) => {
    const limit = readNumber(path.join(folder, 'pids.max'));
    return limit === undefined ? [] : [{ used: readNumber(path.join(folder, 'pids.current')) ?? 0, limit }];
  });
  return usages.toSorted((a, b) => a.limit - b.limit)[0];
}

/** Returns how many processes and threads the limits refused. */
export function readRefusedProcesses({ pids }: Cgroups): number | undefined {
  const counts = (pids?.folders ?? []).map((folder) => readEntry(path.join(folder, 'pids.events'), 'max'));
  const known = counts.filter((one) => one !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, one) => total + one, 0);
}

/** Parses a line of proc_pid_mountinfo(5). */
function parseMount(line: string): { root: string; point: string; type: string; options: string[] } | undefined {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root = '', point = ''] = before.split(' ');
  const [type = '', , options = ''] = after.split(' ');
  return type.startsWith('cgroup')
    ? { root: root === '/' ? '' : root, point, type, options: options.split(',') }
    : undefined;
}

/** Returns the folder of a cgroup and those of its parents, up to the mount point. */
function climb(mountPoint: string, below: string): string[] {
  const parts = below.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, up) =>
    path.join(mountPoint, ...parts.slice(0, parts.length - up)),
  );
}

/** Reads a file that has one number; undefined if it is missing or says `max`. */
function readNumber(file: string): number | undefined {
  const number = Number.parseInt(readText(file) ?? '', 10);
  return Number.isNaN(number) ? undefined : number;
}

/** Reads the number after a name in a file of lines such as `oom_kill 3`. */
function readEntry(file: string, name: string): number | undefined {
  const text = readText(file)
    ?.split('\n')
    .find((line) => line.startsWith(`${name} `));
  return text === undefined ? undefined : Number(text.slice(name.length + 1));
}
