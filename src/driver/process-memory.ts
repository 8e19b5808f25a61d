/** The memory of the processes of a session, and the limit of it. Both are known on Linux only. */
import { totalmem } from 'node:os';
import path from 'node:path';

import { listTree, readProc } from './process-table.ts';

/** The roots of the control groups (cgroups(7)) that limit memory, with the file of the limit in bytes. */
const MEMORY_GROUPS = {
  v1: { root: '/sys/fs/cgroup/memory', file: 'memory.limit_in_bytes' },
  v2: { root: '/sys/fs/cgroup', file: 'memory.max' },
} as const;

/**
 * Returns the memory in bytes that a process and its descendants have for themselves (proc_pid_status(5): `RssAnon`); undefined if that is
 * unknown. Memory that they share is left out, because it would count once for each of them. Takes about 1 ms for a browser.
 */
export function readTreeMemory(pid: number): number | undefined {
  const sizes = listTree(pid).flatMap((member) => readOwnMemory(member) ?? []);
  return sizes.length === 0 ? undefined : sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Returns the lowest memory limit in bytes of the process's control group and the groups above it; undefined if there is none below the
 * memory of the machine.
 */
export function readMemoryLimit(pid: number): number | undefined {
  const limits = groupsOf(pid).map((file) => Number(readProc(file)?.trim() ?? NaN));
  const lowest = Math.min(...limits.filter((limit) => limit > 0));
  return lowest < totalmem() ? lowest : undefined;
}

function readOwnMemory(pid: number): number | undefined {
  const [, kilobytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? '') ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024;
}

/** Returns the limit files of the process's control group and of all groups above it. */
function groupsOf(pid: number): string[] {
  const lines = readProc(`/proc/${pid}/cgroup`)?.trim().split('\n') ?? [];
  return lines.flatMap((line) => {
    // Such as `4:memory:/user/1` in version 1, and `0::/user/1` in version 2.
    const [, controllers = '', group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers !== '' && !controllers.split(',').includes('memory')) return [];
    const { root, file } = controllers === '' ? MEMORY_GROUPS.v2 : MEMORY_GROUPS.v1;
    const parts = group.split('/').filter(Boolean);
    return [...parts.keys(), parts.length].map((depth) => path.join(root, ...parts.slice(0, depth), file));
  });
}
