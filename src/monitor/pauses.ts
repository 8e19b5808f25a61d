/**
 * When this machine slept, or everything on it was held: a run that could make no progress then is not stuck. A sleeping machine's monotonic
 * clock stands still while the wall clock goes on; programs that were held, as containers are, find both clocks ahead of their timers.
 */

/** Timers of a busy program are late; that is no pause. */
const LEAST_PAUSE_MS = 2_000;
const KEPT = 100;

interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
}

export class Pauses {
  readonly #everyMs: number;
  #pauses: Pause[] = [];
  #notedAtMs: number;

  /** `everyMs`: how often {@link note} is called. */
  constructor(everyMs: number, nowMs = Date.now()) {
    this.#everyMs = everyMs;
    this.#notedAtMs = nowMs;
  }

  /** The program runs. */
  note(nowMs = Date.now()): void {
    const lateMs = nowMs - this.#notedAtMs - this.#everyMs;
    if (lateMs >= LEAST_PAUSE_MS)
      this.#pauses = [...this.#pauses, { fromMs: nowMs - lateMs, toMs: nowMs }].slice(-KEPT);
    this.#notedAtMs = nowMs;
  }

  /** How much of the time since then was none, in ms. */
  since(timeMs: number, nowMs = Date.now()): number {
    // Whoever wakes up may ask before the timer that calls `note` has its turn.
    this.note(nowMs);
    return this.#pauses.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, toMs - Math.max(fromMs, timeMs)), 0);
  }
}
