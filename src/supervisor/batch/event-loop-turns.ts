/** Lets timers and sockets have their turn while a batch works through items that never wait for anything but promises. */

/** Work that goes on for this long without a turn of the event loop is interrupted for one. */
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

  /** Whether the event loop must have its turn first. Cheap if called often: at most one timer of the event loop is set per turn. */
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
