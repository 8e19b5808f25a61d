/**
 * Probes a session that has given no proof of life for one interval, and sooner if work waits for it. A success of a command is a proof of
 * life, so a session whose commands succeed is never probed.
 */
import type { BrowserSession } from '../driver/driver.ts';
import type { Epoch } from './epoch.ts';

/** The interval if work is in flight. With the time limit of an urgent probe, a frozen browser is noticed within 3 s. */
const WORK_INTERVAL_MS = 1_000;

export interface HeartbeatOptions {
  /** The interval if no work is in flight. A shorter one than 1 s applies to work as well. */
  readonly intervalMs: number;
  /** Returns whether a command, an API call or a batch item is in flight. It is called once a second. */
  readonly isWorking: () => boolean;
  /**
   * Asks for a proof of life; never rejects. A success calls {@link Heartbeat.beat} and resolves with true, a failure declares the death.
   * Resolves with false if nothing is known.
   */
  readonly probe: (options: { readonly isUrgent: boolean }) => Promise<boolean>;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #workIntervalMs: number;
  #lastBeatAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** Watches a session, whose work is counted by its epoch. */
  static of(session: BrowserSession, epoch: Epoch, { intervalMs }: { readonly intervalMs: number }): Heartbeat {
    return new Heartbeat({
      intervalMs,
      isWorking: () => epoch.work.count(session.commandsInFlight).running > 0,
      probe: (options) => session.probe('heartbeat', options),
    });
  }

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#workIntervalMs = Math.min(options.intervalMs, WORK_INTERVAL_MS);
    this.#schedule(this.#workIntervalMs);
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
    const { intervalMs, isWorking, probe } = this.#options;
    const isUrgent = isWorking();
    const dueMs = this.#lastBeatAt + (isUrgent ? this.#workIntervalMs : intervalMs) - performance.now();
    if (dueMs > 0) {
      this.#schedule(Math.min(dueMs, this.#workIntervalMs));
      return;
    }
    const isAlive = await probe({ isUrgent });
    // A session that nothing is known about, such as a hung one without DevTools, is not asked more often because of its work.
    if (!this.#stopped) this.#schedule(isAlive ? this.#workIntervalMs : intervalMs);
  }
}
