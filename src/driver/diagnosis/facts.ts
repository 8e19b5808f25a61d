/** The facts about one death, as the table of reasons reads them. A fact that this system does not show is undefined. */
import type { DeathReport } from '../../model/death.ts';

/** The end or the state of a process. */
export type ProcessEnd =
  /** Ended by a signal, such as 9. */
  | { readonly kind: 'signal'; readonly signal: number }
  /** Ended with an exit code. */
  | { readonly kind: 'code'; readonly code: number }
  /** Still there, and not stopped. */
  | { readonly kind: 'running' }
  /** Stopped by SIGSTOP, or by a debugger. */
  | { readonly kind: 'stopped' };

/** A number of something and its limit. */
export interface Usage {
  readonly used: number;
  readonly limit: number;
}

/** The event `Target.targetCrashed` of DevTools. */
export interface TabCrash {
  /** Chromium's word: `crashed`, `killed`, `oom`, `abnormal termination`, … */
  readonly status: string;
  /** The signal or the exit code of the tab's process. */
  readonly errorCode: number;
}

/** The space on the file system of a folder. */
export interface FreeSpace {
  readonly folder: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Undefined if the file system does not count its files. */
  readonly freeFiles: number | undefined;
}

export interface Memory {
  /** The processes of the browser's own cgroup that the kernel killed for lack of memory since the session's start. */
  readonly oomKills: number | undefined;
  /** The same for the whole machine. */
  readonly machineOomKills: number | undefined;
  /** The tightest memory limit of the browser's cgroup and its parents, with the last sample of its use without file caches. */
  readonly cgroup: Usage | undefined;
  /** The highest use of the cgroup with that limit, with file caches. */
  readonly cgroupPeakBytes: number | undefined;
  /** The last sample of the memory that the browser's processes do not share, in bytes. */
  readonly browserBytes: number | undefined;
  /** The same for the largest of them. */
  readonly largestBytes: number | undefined;
  /** The last sample of the machine's memory: in use, and in total. */
  readonly machine: Usage | undefined;
  /** The limit of a process's memory (RLIMIT_AS or RLIMIT_DATA), in bytes. */
  readonly processLimit: number | undefined;
}

export interface Load {
  /** The share of the last 10 s in which processes waited for a processor, for memory, or for a disk, in percent (PSI, `some avg10`). */
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  readonly io: number | undefined;
  /** The load average of the last minute for each processor. */
  readonly perProcessor: number | undefined;
  /** The share of the time since the last sample in which this program's own event loop was busy, 0 to 1. */
  readonly ownEventLoop: number;
}

export interface Facts {
  readonly report: DeathReport;
  /** True if this program started the driver, so that its processes and files can be read. */
  readonly isOwn: boolean;
  readonly browser: ProcessEnd | undefined;
  readonly driver: ProcessEnd | undefined;
  readonly tab: TabCrash | undefined;
  readonly memory: Memory;
  /** Undefined if the browser does not use /dev/shm, because the system gives it another kind of shared memory. */
  readonly sharedMemory: FreeSpace | undefined;
  readonly temporaryFolder: FreeSpace | undefined;
  readonly descriptors: Usage | undefined;
  /** Processes and threads of the browser's cgroup. */
  readonly processes: Usage | undefined;
  /** The number of processes and threads that a limit refused since the session's start. */
  readonly refusedProcesses: number | undefined;
  readonly load: Load;
  /** The longest sleep of the machine in the last minute, in milliseconds; 0 if it did not sleep. */
  readonly sleptMs: number;
  /** The output of the driver and the browser since the session's start. */
  readonly output: string;
  /** The versions if the browser and the driver do not fit each other. */
  readonly mismatch: { readonly browser: string; readonly driver: string } | undefined;
  /** The number of this supervisor's earlier deaths at the same page. */
  readonly deathsAtPage: number;
  /** The redacted URL of the page. */
  readonly url: string | null;
}
