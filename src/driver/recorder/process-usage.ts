/** Measures the memory and the CPU time of a process group, by the files of Linux in /proc. */
import { readOwnBytes } from '../process-memory.ts';
import { listGroup, readStat } from '../process-table.ts';

/** The time after which the processes of the group are looked up again. A browser starts a process for each new site. */
const LOOK_UP_EVERY_MS = 5_000;
/** The unit of CPU times in /proc is 1/100 s on all Linux systems (USER_HZ). */
const TICK_MS = 10;

export interface UsageSample {
  readonly atMs: number;
  /** Memory that the processes don't share with others or with files. */
  readonly memoryBytes: number;
  /** The CPU time since the last sample, in percent of one core; null for the first sample. */
  readonly cpuPercent: number | null;
  readonly processes: number;
}

interface ProcessUsage {
  readonly memoryBytes: number;
  readonly cpuMs: number;
}

export class GroupUsage {
  readonly #group: number;
  /** The CPU time by pid at the last sample. */
  #cpuMs = new Map<number, number>();
  #lookedUpAtMs = 0;
  #sampledAtMs: number | undefined;

  constructor(group: number) {
    this.#group = group;
  }

  /** Returns undefined if no process of the group is left, and on systems other than Linux. */
  sample(): UsageSample | undefined {
    if (process.platform !== 'linux') return undefined;
    const atMs = Date.now();
    const isLookUpDue = atMs - this.#lookedUpAtMs >= LOOK_UP_EVERY_MS;
    const pids = isLookUpDue ? listGroup(this.#group) : [...this.#cpuMs.keys()];
    if (isLookUpDue) this.#lookedUpAtMs = atMs;
    const before = this.#cpuMs;
    const elapsedMs = this.#sampledAtMs === undefined ? undefined : atMs - this.#sampledAtMs;
    this.#cpuMs = new Map();
    let memoryBytes = 0;
    let usedMs = 0;
    for (const pid of pids) {
      const usage = readUsage(pid);
      if (usage === undefined) continue;
      this.#cpuMs.set(pid, usage.cpuMs);
      memoryBytes += usage.memoryBytes;
      // The time that a new process used before its first sample is missing, because its start is not known.
      usedMs += usage.cpuMs - (before.get(pid) ?? usage.cpuMs);
    }
    if (this.#cpuMs.size === 0) return undefined;
    this.#sampledAtMs = atMs;
    const cpuPercent = elapsedMs === undefined || elapsedMs === 0 ? null : Math.round((usedMs / elapsedMs) * 100);
    return { atMs, memoryBytes, cpuPercent, processes: this.#cpuMs.size };
  }
}

function readUsage(pid: number): ProcessUsage | undefined {
  const ticks = readStat(pid)?.cpuTicks;
  return ticks === undefined ? undefined : { memoryBytes: readOwnBytes(pid), cpuMs: ticks * TICK_MS };
}
