/** One start that is under way, shared by all who wait for it. Whoever waits no more leaves it; the last one to leave ends the start. */
import { raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { HeldSession } from './held-session.ts';

export interface FlightOptions {
  readonly start: (signal: AbortSignal) => Promise<HeldSession>;
  /** It is there, and counts all who wait for it as its users: nobody else can find it idle before they have it. */
  readonly onLanded: (held: HeldSession) => void;
  /** Started or not, it is over. */
  readonly onOver: () => void;
  /** Somebody who was counted as its user had left just then. */
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

  /** Nobody waits for it any more: it ends, and who comes now waits for that and begins anew. */
  get isGivenUp(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves when it is over, however that is. */
  get over(): Promise<unknown> {
    return this.#landing.catch(() => undefined);
  }

  /** Rejects as the start does, or with the signal's reason. */
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
      // Too late for its start to notice.
      if (this.isGivenUp) {
        await held.release('nobody waited for it any more');
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
