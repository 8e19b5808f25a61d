/** Gives timers and sockets a turn of the event loop while a batch works on items that wait only for promises. */

/** The time after which work without a turn of the event loop is interrupted for one. */
const MAX_BURST_MS = 5;

export class EventLoopTurns {
  readonly #onTurn: () => void;
  #burstStartedAt = 0;
  #isInBurst = false;
  #isAwaited = false;

  /** `onTurn` is called after each turn for which {@link isDue} returned true. */
  constructor(onTurn: () => void) {
    this.#onTurn = onTurn;
  }

  /** Returns true if the event loop must get a turn first. Frequent calls are cheap: a turn sets at most one timer of the event loop. */
  isDue(): boolean {
    const now = performance.now();
    if (!this.#isInBurst) {
      this.#isInBurst = true;
      this.#burstStartedAt = now;
      setImmediate(() => this.#endBurst());
      return false;
    }
    this.#isAwaited ||= now - this.#burstStartedAt > MAX_BURST_MS;
    return this.#isAwaited;
  }

  #endBurst(): void {
    const wasAwaited = this.#isAwaited;
    this.#isInBurst = false;
    this.#isAwaited = false;
    if (wasAwaited) this.#onTurn();
  }
}
