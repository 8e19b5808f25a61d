/**
 * A single flight: one start of a session in progress, whose result all waiting callers share. When the last caller stops waiting, the
 * start is aborted.
 */
import { raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { HeldSession } from './held-session.ts';

export interface FlightOptions {
  readonly start: (signal: AbortSignal) => Promise<HeldSession>;
  /**
   * Called when the session has started. All waiting callers already count as its users, so that no other code can find it idle before they
   * have it.
   */
  readonly onLanded: (held: HeldSession) => void;
  /** Called at the end of the start, whether it succeeded or failed. */
  readonly onOver: () => void;
  /** Called for a caller that was counted as a user but stopped waiting at the same moment. */
  readonly giveBack: (held: HeldSession) => void;
}

export class Flight {
  readonly #options: FlightOptions;
  readonly #abort = new AbortController();
  readonly #landing: Promise<HeldSession>;
  #landed: HeldSession | undefined;
  #waiting = 0;

  constructor(options: FlightOptions) {
    this.#options = options;
    this.#landing = this.#fly();
    this.#landing.catch(() => undefined);
  }

  /** True if no caller waits any more. The start is being aborted; a new caller waits for its end and begins a new start. */
  get isGivenUp(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves when the start has ended, whether it succeeded or failed. */
  get over(): Promise<unknown> {
    return this.#landing.catch(() => undefined);
  }

  /** Resolves with the started session. Rejects as the start does, or with the signal's reason. */
  async join(signal: AbortSignal): Promise<HeldSession> {
    this.#waiting += 1;
    try {
      return await raceSignal(this.#landing, signal);
    } catch (thrown) {
      if (this.#landed === undefined) this.#leave(thrown);
      else this.#options.giveBack(this.#landed);
      throw thrown;
    }
  }

  #leave(reason: unknown): void {
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#abort.abort(toError(reason));
  }

  async #fly(): Promise<HeldSession> {
    const { start, onLanded, onOver } = this.#options;
    try {
      const held = await start(this.#abort.signal);
      // The abort came too late for the start to notice it.
      if (this.isGivenUp) {
        await held.release('no caller waited for it any more');
        this.#abort.signal.throwIfAborted();
      }
      held.users = this.#waiting;
      this.#landed = held;
      onLanded(held);
      return held;
    } finally {
      onOver();
    }
  }
}
