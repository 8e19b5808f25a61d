/** The run's own watch on its progress. The monitor applies the same limits, if there is one. */
import type { Log } from '../core/log.ts';
import { describeSpan } from '../core/time-words.ts';
import { allowanceOf } from '../upkeep/upkeep.ts';

/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface StallWatchOptions {
  readonly warnAfterMs: number;
  readonly stuckAfterMs: number;
  /** The current number of known units of work. */
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

  /** Starts the time anew, because there was progress. */
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
    'What is finished is kept, and --resume goes on'
  );
}
