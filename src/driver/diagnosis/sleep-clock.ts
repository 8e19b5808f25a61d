/**
 * Compares a clock that continues while the machine sleeps with one that does not. All sessions of a process share the readings: one costs
 * 20 µs, because it opens a file.
 */
import { readSleepingClock } from './machine.ts';

/**
 * How much the clock that continues is ahead. The two are not read at the same moment: on a busy machine this program may wait in between.
 */
export interface ClockLead {
  readonly minAheadMs: number;
  readonly maxAheadMs: number;
}

export class SleepClock {
  readonly #readClock: () => number;
  #last: ClockLead | undefined;
  #readAt = -Infinity;

  constructor(readClock: () => number = readSleepingClock) {
    this.#readClock = readClock;
  }

  /** Reads both clocks, or returns the last reading if it is younger than `maxAgeMs`. A sleep after that reading shows in a later one. */
  read(maxAgeMs = 0): ClockLead {
    const before = performance.now();
    if (this.#last !== undefined && before - this.#readAt < maxAgeMs) return this.#last;
    const clock = this.#readClock();
    this.#readAt = performance.now();
    this.#last = { minAheadMs: clock - this.#readAt, maxAheadMs: clock - before };
    return this.#last;
  }
}
