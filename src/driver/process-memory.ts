/** The memory that processes have for themselves, on Linux. Memory that they share would count once for each of them. */
import { listTree, readText } from './process-table.ts';

const KIB = 1024;

/** The memory of a process and its descendants, in bytes. */
export interface TreeMemory {
  readonly totalBytes: number;
  readonly largestBytes: number;
}

/** Returns undefined if the process is gone or not readable. Takes about 1 ms for a browser. */
export function readTreeMemory(pid: number): TreeMemory | undefined {
  const sizes = listTree(pid).map(readOwnBytes);
  const totalBytes = sizes.reduce((total, size) => total + size, 0);
  return totalBytes === 0 ? undefined : { totalBytes, largestBytes: Math.max(...sizes) };
}

/** Returns `RssAnon` of proc_pid_status(5) in bytes; 0 if the process is gone. */
export function readOwnBytes(pid: number): number {
  const [, kilobytes = '0'] = /^RssAnon:\s+(\d+) kB$/m.exec(readText(`/proc/${pid}/status`) ?? '') ?? [];
  return Number(kilobytes) * KIB;
}
