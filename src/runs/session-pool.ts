/**
 * Further sessions of one run, for batches whose workers need a browser each. Slot 1 is the run's own session: its death is the run's
 * affair. A death in another slot costs only that slot, which starts anew, and the item is done again.
 */
import { anySignal, raceSignal } from '../core/abort.ts';
import { SessionDeathError, type Api, type SessionSupervisor, type WebDriver } from '../supervisor/supervisor.ts';

/** A session as a worker sees it. */
export interface Lane {
  readonly driver: WebDriver;
  readonly api: Api;
  readonly signal: AbortSignal;
}

export interface SessionPoolOptions {
  readonly main: SessionSupervisor;
  /** Starts the session of slot `number` (2, 3, …), prepared. */
  readonly startSlot: (number: number, signal: AbortSignal) => Promise<SessionSupervisor>;
  /** A new session of a slot, prepared. */
  readonly restartSlot: (supervisor: SessionSupervisor, signal: AbortSignal) => Promise<void>;
}

export interface UseOptions {
  /** How many sessions the batch works on. */
  readonly size: number;
  /** The batch's own end. */
  readonly signal: AbortSignal;
  /** Told of a death during the item; a throw gives the item up. */
  readonly onDeath: (death: SessionDeathError) => void;
}

interface Slot {
  readonly number: number;
  supervisor: SessionSupervisor | undefined;
  isFree: boolean;
}

export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #slots: Slot[];
  readonly #waiting: (() => void)[] = [];

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#slots = [{ number: 1, supervisor: options.main, isFree: true }];
  }

  /** Runs `work` on a session that nobody else uses meanwhile; again on the next one when it dies, for as long as `onDeath` allows. */
  async use<Value>(work: (lane: Lane) => Promise<Value>, { size, signal, onDeath }: UseOptions): Promise<Value> {
    for (;;) {
      signal.throwIfAborted();
      const slot = await this.#take(size, signal);
      try {
        const supervisor = await this.#ready(slot, signal);
        const laneSignal = anySignal(signal, supervisor.signal);
        return await raceSignal(
          work({ driver: supervisor.driver, api: supervisor.api, signal: laneSignal }),
          laneSignal,
        );
      } catch (thrown) {
        // The run's own session ends the whole batch by its signal; an ordinary failure is the item's.
        const death: unknown = slot.supervisor?.signal.reason;
        if (signal.aborted || slot.number === 1 || !(death instanceof SessionDeathError)) throw thrown;
        onDeath(death);
      } finally {
        slot.isFree = true;
        this.#waiting.shift()?.();
      }
    }
  }

  /** Ends all sessions but the run's own. */
  async stop(): Promise<void> {
    await Promise.all(this.#slots.slice(1).map(async ({ supervisor }) => supervisor?.stop()));
  }

  async #take(size: number, signal: AbortSignal): Promise<Slot> {
    for (;;) {
      while (this.#slots.length < size) {
        this.#slots.push({ number: this.#slots.length + 1, supervisor: undefined, isFree: true });
      }
      const free = this.#slots.slice(0, size).find(({ isFree }) => isFree);
      if (free !== undefined) {
        free.isFree = false;
        return free;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await raceSignal(promise, signal);
    }
  }

  async #ready(slot: Slot, signal: AbortSignal): Promise<SessionSupervisor> {
    const { startSlot, restartSlot } = this.#options;
    if (slot.supervisor === undefined) slot.supervisor = await startSlot(slot.number, signal);
    else if (slot.supervisor.state !== 'alive') await restartSlot(slot.supervisor, signal);
    return slot.supervisor;
  }
}
