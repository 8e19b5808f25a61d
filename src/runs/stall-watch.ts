/** Watches the progress of a run in its own process. The monitor, if one runs, applies the same limits. */
import type { Log } from '../core/log.ts';
import { describeSpan } from '../core/describe-time.ts';
import { allowanceOf } from '../upkeep/upkeep.ts';

/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface StallWatchOptions {
  readonly warnAfterMs: number;
  readonly stuckAfterMs: number;
  /** Returns the current number of known units of work. */
  readonly size: () => number;
  readonly log: Log;
  readonly onStall: (limitMs: number) => void;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  #timers: NodeJS.Timeout[] = [];
  #isOver = false;

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  /** Restarts the timers after progress. */
  note(): void {
    const { warnAfterMs, stuckAfterMs, size, log, onStall } = this.#options;
    this.#clear();
    if (this.#isOver) return;
    const allowance = allowanceOf(size());
    const limitMs = stuckAfterMs * allowance;
    const warnMs = warnAfterMs * allowance;
    this.#timers = [
      setTimeout(() => log.warn(describeWarning(warnMs, limitMs)), Math.min(warnMs, MAX_TIMER_MS)),
      setTimeout(() => onStall(limitMs), Math.min(limitMs, MAX_TIMER_MS)),
    ];
  }

  stop(): void {
    this.#isOver = true;
    this.#clear();
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}

function describeWarning(afterMs: number, limitMs: number): string {
  return (
    `No progress for ${describeSpan(afterMs)}; after ${describeSpan(limitMs)} the run is ended as timed out. ` +
    'Finished work stays stored, and --resume continues it'
  );
}
