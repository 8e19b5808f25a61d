/** Probes a session that has given no proof of life for one interval. */

export interface HeartbeatOptions {
  readonly intervalMs: number;
  /** Asks for a proof of life; never rejects. A success calls {@link Heartbeat.beat}, a failure declares the death. */
  readonly probe: () => Promise<unknown>;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #lastBeatAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#schedule(options.intervalMs);
  }

  /** Records a proof of life from any source. */
  beat(): void {
    this.#lastBeatAt = performance.now();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Uses one timer, which is set again only when it fires, so that a beat costs only one reading of the clock. */
  #schedule(inMs: number): void {
    this.#timer = setTimeout(() => void this.#onTimer(), inMs);
  }

  async #onTimer(): Promise<void> {
    const { intervalMs, probe } = this.#options;
    const silentMs = performance.now() - this.#lastBeatAt;
    if (silentMs < intervalMs) {
      this.#schedule(intervalMs - silentMs);
      return;
    }
    await probe();
    if (!this.#stopped) this.#schedule(intervalMs);
  }
}
