/**
 * One start of a session in progress, whose result all waiting callers share (single flight). When the last caller stops waiting, the
 * start is aborted.
 */
import { raceSignal } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { HeldSession } from './held-session.ts';

export interface SharedStartOptions {
  readonly start: (signal: AbortSignal) => Promise<HeldSession>;
  /**
   * Called when the session has started. All waiting callers already count as its users, so that no other code can find it idle before they
   * have it.
   */
  readonly onStarted: (held: HeldSession) => void;
  /** Called at the end of the start, whether it succeeded or failed. */
  readonly onOver: () => void;
  /** Called for a caller that was counted as a user but stopped waiting at the same moment. */
  readonly giveBack: (held: HeldSession) => void;
}

export class SharedStart {
  readonly #options: SharedStartOptions;
  readonly #abort = new AbortController();
  readonly #starting: Promise<HeldSession>;
  #started: HeldSession | undefined;
  #waiting = 0;

  constructor(options: SharedStartOptions) {
    this.#options = options;
    this.#starting = this.#run();
    this.#starting.catch(() => undefined);
  }

  /** True if no caller waits any more. The start is being aborted; a new caller waits for its end and begins a new start. */
  get isGivenUp(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves when the start has ended, whether it succeeded or failed. */
  get over(): Promise<unknown> {
    return this.#starting.catch(() => undefined);
  }

  /** Resolves with the started session. Rejects as the start does, or with the signal's reason. */
  async join(signal: AbortSignal): Promise<HeldSession> {
    this.#waiting += 1;
    try {
      return await raceSignal(this.#starting, signal);
    } catch (thrown) {
      if (this.#started === undefined) this.#leave(thrown);
      else this.#options.giveBack(this.#started);
      throw thrown;
    }
  }

  #leave(reason: unknown): void {
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#abort.abort(toError(reason));
  }

  async #run(): Promise<HeldSession> {
    const { start, onStarted, onOver } = this.#options;
    try {
      const held = await start(this.#abort.signal);
      // The abort came too late for the start to notice it.
      if (this.isGivenUp) {
        await held.release('no caller waited for it any more');
        this.#abort.signal.throwIfAborted();
      }
      held.users = this.#waiting;
      this.#started = held;
      onStarted(held);
      return held;
    } finally {
      onOver();
    }
  }
}
