/**
 * Records when this machine slept or its programs were suspended: a run that could make no progress in that time is not stuck. While a
 * machine sleeps, its monotonic clock stops and its wall clock continues. Suspended programs, such as a paused container, find both clocks
 * ahead of their timers.
 */

/** A shorter delay is not a pause, because the timers of a busy program are late. */
const MIN_PAUSE_MS = 2_000;
const MAX_PAUSES = 100;

interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
}

export class Pauses {
  readonly #intervalMs: number;
  #pauses: Pause[] = [];
  #notedAtMs: number;

  /** `intervalMs` is the interval at which {@link note} is called. */
  constructor(intervalMs: number, nowMs = Date.now()) {
    this.#intervalMs = intervalMs;
    this.#notedAtMs = nowMs;
  }

  /** Records that the program runs now. */
  note(nowMs = Date.now()): void {
    const lateMs = nowMs - this.#notedAtMs - this.#intervalMs;
    if (lateMs >= MIN_PAUSE_MS)
      this.#pauses = [...this.#pauses, { fromMs: nowMs - lateMs, toMs: nowMs }].slice(-MAX_PAUSES);
    this.#notedAtMs = nowMs;
  }

  /** Returns how much of the time since `timeMs` was paused, in ms. */
  since(timeMs: number, nowMs = Date.now()): number {
    // After a pause this may be called before the timer that calls `note`.
    this.note(nowMs);
    return this.#pauses.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, toMs - Math.max(fromMs, timeMs)), 0);
  }
}
