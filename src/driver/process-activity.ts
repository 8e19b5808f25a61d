/** Watches whether silent processes are stopped, asleep, or only slow. */
import { listTree, readCpuTicks, readProcessState, readThreadStates } from './process-table.ts';

/**
 * `stopped`: one of the given processes was stopped at both looks (proc(5): state T). `running`: a thread of their trees was running,
 * waiting for a CPU or waiting for a disk at one of the looks, or consumed CPU time between them. `asleep`: none of these. `unknown`: there
 * was only one look, or the processes can't be read.
 */
export type Activity = 'stopped' | 'running' | 'asleep' | 'unknown';

/** Looks at the processes after `firstLookMs`, and again at `stop()`. A session that answers before the first look costs only a timer. */
export function watchActivity(
  pids: readonly number[],
  firstLookMs: number,
): { readonly stop: () => Activity; readonly cancel: () => 'unknown' } {
  let first: Look | undefined;
  const timer = setTimeout(() => (first = look(pids)), firstLookMs);
  return {
    stop: () => {
      clearTimeout(timer);
      return first === undefined ? 'unknown' : compare(first, look(pids));
    },
    cancel: () => {
      clearTimeout(timer);
      return 'unknown';
    },
  };
}

interface Look {
  readonly isStopped: boolean;
  readonly isRunnable: boolean;
  /** The CPU time of the trees in clock ticks (10 ms). */
  readonly cpuTicks: number;
  /** The number of processes that were read. */
  readonly count: number;
}

function look(pids: readonly number[]): Look {
  const tree = [...new Set(pids.flatMap(listTree))];
  return {
    isStopped: pids.some((pid) => /[Tt]/.test(readProcessState(pid) ?? '')),
    isRunnable: tree.some((pid) => readThreadStates(pid).some((state) => /[RD]/.test(state))),
    cpuTicks: tree.reduce((sum, pid) => sum + readCpuTicks(pid), 0),
    count: tree.length,
  };
}

function compare(first: Look, last: Look): Activity {
  if (first.count === 0 || last.count === 0) return 'unknown';
  if (first.isStopped && last.isStopped) return 'stopped';
  const isRunning = first.isRunnable || last.isRunnable || first.cpuTicks !== last.cpuTicks;
  return isRunning || first.isStopped || last.isStopped ? 'running' : 'asleep';
}
