/** Reads facts about this machine: its memory, its load, its clocks and the space of folders. */
import { statfsSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

import type { FreeSpace, Load, Usage } from './facts.ts';
import { readText } from '../process-table.ts';

const KIB = 1024;
const MS_PER_S = 1_000;

/** Returns the number of processes that the kernel killed for lack of memory since the machine's start. */
export function readMachineOomKills(): number | undefined {
  return toNumber(/^oom_kill (\d+)$/m.exec(readText('/proc/vmstat') ?? '')?.[1]);
}

/** Returns the machine's memory: the part that programs can't get, and the total. */
export function readMachineMemory(): Usage | undefined {
  const text = readText('/proc/meminfo') ?? '';
  const read = (name: string) => toNumber(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]);
  const [total, available] = [read('MemTotal'), read('MemAvailable')];
  if (total === undefined || available === undefined) return undefined;
  return { used: (total - available) * KIB, limit: total * KIB };
}

/** Returns the pressure and the load of the machine. */
export function readLoad(): Omit<Load, 'ownEventLoop'> {
  const [average = 0] = loadavg();
  return {
    cpu: readPressure('cpu'),
    memory: readPressure('memory'),
    io: readPressure('io'),
    // Windows has no load average and reports 0.
    perProcessor: average === 0 ? undefined : average / availableParallelism(),
  };
}

function readPressure(resource: string): number | undefined {
  return toNumber(/^some avg10=([\d.]+)/m.exec(readText(`/proc/pressure/${resource}`) ?? '')?.[1]);
}

/**
 * Returns a time in milliseconds that continues while the machine sleeps. On Linux it is the time since the boot, which no correction of the
 * wall clock changes.
 */
export function readSleepingClock(): number {
  const uptime = toNumber(readText('/proc/uptime')?.split(' ')[0]);
  return uptime === undefined ? Date.now() : uptime * MS_PER_S;
}

/**
 * Returns the space on the file system of a folder. The browser may run in a mount namespace of its own, which the root folder of a process
 * of the session shows.
 */
export function readFreeSpace(folder: string, pids: readonly (number | undefined)[]): FreeSpace | undefined {
  const roots = pids.filter((pid) => pid !== undefined).map((pid) => `/proc/${pid}/root`);
  for (const root of [...roots, '']) {
    try {
      const { bsize, bavail, blocks, files, ffree } = statfsSync(root + folder);
      // Some file systems, such as btrfs, have no fixed number of files and report 0.
      return {
        folder,
        freeBytes: bsize * bavail,
        totalBytes: bsize * blocks,
        freeFiles: files === 0 ? undefined : ffree,
      };
    } catch {
      // The process is gone or belongs to another user, or the system has no such folder.
    }
  }
  return undefined;
}

function toNumber(text: string | undefined): number | undefined {
  const number = Number(text);
  return text === undefined || Number.isNaN(number) ? undefined : number;
}
