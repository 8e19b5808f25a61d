/**
 * Deadlines of many short waits under one timer. It is set anew only when it fires, or for a wait that ends earlier: a timer for each
 * command would cost a command of 4 ms half a percent (measured).
 */
export class Deadlines {
  /** The time at which each wait is late, by what is called then. */
  readonly #waits = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Infinity;

  /** Calls `onLate` once, after `limitMs`. Returns the function that calls it off. The timer alone keeps no process alive. */
  set(limitMs: number, onLate: () => void): () => void {
    const lateAt = performance.now() + limitMs;
    this.#waits.set(onLate, lateAt);
    if (lateAt < this.#firesAt) this.#schedule(lateAt);
    return () => void this.#waits.delete(onLate);
  }

  /** Forgets all of them. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#waits.clear();
    this.#firesAt = Infinity;
  }

  #schedule(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    this.#timer = setTimeout(() => this.#onTimer(), at - performance.now()).unref();
  }

  #onTimer(): void {
    const now = performance.now();
    this.#firesAt = Infinity;
    for (const [onLate, lateAt] of this.#waits) {
      if (lateAt > now) continue;
      this.#waits.delete(onLate);
      onLate();
    }
    const next = Math.min(...this.#waits.values());
    if (next < this.#firesAt) this.#schedule(next);
  }
}
