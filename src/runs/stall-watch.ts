/** A run's own watch on its progress. Whoever monitors the registry comes to the same, and may not be there. */
import { allowanceOf } from '../upkeep/upkeep.ts';

/** Node's timers fire at once beyond it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface StallWatchOptions {
  readonly warnAfterMs: number;
  readonly stuckAfterMs: number;
  /** Units of work known of, now. */
  readonly size: () => number;
  readonly onWarning: (afterMs: number, limitMs: number) => void;
  readonly onStall: (limitMs: number) => void;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  #timers: NodeJS.Timeout[] = [];
  #isOver = false;

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  /** There was progress: the time begins anew. */
  note(): void {
    const { warnAfterMs, stuckAfterMs, size, onWarning, onStall } = this.#options;
    this.#clear();
    if (this.#isOver) return;
    const allowance = allowanceOf(size());
    const limitMs = stuckAfterMs * allowance;
    const warnMs = warnAfterMs * allowance;
    this.#timers = [
      setTimeout(() => onWarning(warnMs, limitMs), Math.min(warnMs, LONGEST_TIMER_MS)),
      setTimeout(() => onStall(limitMs), Math.min(limitMs, LONGEST_TIMER_MS)),
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
