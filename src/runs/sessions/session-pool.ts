/**
 * Further sessions of one run, for batches whose workers need a browser each. Slot 1 is the run's own session: its death is the run's
 * affair. A death in another slot costs only that slot, which starts anew, and the item is done again.
 */
import { anySignal, raceSignal, settlesWithin } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Acquisition } from '../../sessions/sessions.ts';
import {
  SessionEndedError,
  SessionStartError,
  type Api,
  type CriticalFailureError,
  type SessionDeathError,
  type SessionSupervisor,
  type WebDriver,
} from '../../supervisor/supervisor.ts';
import { deathBehind, deathOf, deathSignalOf } from './death-signal.ts';
import { SessionTidier } from './session-tidier.ts';

/** What a worker works with. */
export interface WorkerSession {
  readonly driver: WebDriver;
  readonly api: Api;
  /** The end of its session by death, or of the batch. */
  readonly signal: AbortSignal;
}

/** A lane on a session of the pool. */
export interface PooledSession extends WorkerSession {
  readonly session: AbortSignal;
}

export interface SessionPoolOptions {
  readonly main: SessionSupervisor;
  /** Of the run's own session. */
  readonly tidier: SessionTidier;
  /** Starts the session of slot `number` (2, 3, …). The tidier has to see its commands. */
  readonly start: (number: number, tidier: SessionTidier) => Promise<Acquisition>;
  /** What each new session of a slot goes through before its first item. */
  readonly prepare: (slot: SessionSupervisor, signal: AbortSignal) => Promise<void>;
  /** Called before each use of a slot other than the first: brings the session up to what the run's own session has become. */
  readonly join: (slot: SessionSupervisor) => Promise<void>;
  /** A slot's session died; called before anything is done about it, and maybe more than once. */
  readonly onDeath: (death: SessionDeathError) => void;
  /** A slot can't be had any more: its start, its restart or its `prepare` failed. No item is to blame. */
  readonly onFailure: (failure: Error) => void;
  /** The run's own session can't be put right for the next item. Returns what that item's batch is ended with. */
  readonly onUnusable: () => Error;
}

export interface UseOptions {
  /** How many sessions the batch works on. */
  readonly size: number;
  /** The batch's own end. */
  readonly signal: AbortSignal;
}

const START_RETRIES = 2;
/** An item that ends the run's own session, and with it the batch, gets this long to come to its own result. */
const OWN_RESULT_LIMIT_MS = 1_500;

interface Slot {
  readonly number: number;
  readonly tidier: SessionTidier;
  session: Acquisition | undefined;
  /** The session that is being started, until it is there or failed. */
  starting: Promise<unknown>;
  /** The session that went through `prepare`. */
  prepared: AbortSignal | undefined;
  isFree: boolean;
}

export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #slots: Slot[];
  readonly #waiting: (() => void)[] = [];

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#slots = [makeSlot(1, options.tidier)];
  }

  /** The failure that ended one of the slots' APIs, if one did. */
  get criticalFailure(): CriticalFailureError | undefined {
    const failures = this.#slots.map(({ session }) => session?.supervisor.criticalFailure);
    return failures.find((failure) => failure !== undefined);
  }

  /** Runs `work` on a session that nobody else uses meanwhile. Rejects with the session's death when it dies, whatever `work` makes of it. */
  async use<Value>(work: (session: PooledSession) => Promise<Value>, { size, signal }: UseOptions): Promise<Value> {
    signal.throwIfAborted();
    const slot = await this.#take(size, signal);
    try {
      const supervisor = await this.#ready(slot, signal);
      const { driver, api, signal: session } = supervisor;
      const end = anySignal(signal, deathSignalOf(session));
      const takeBack = slot.tidier.lend(supervisor);
      try {
        const working = work({ driver, api, signal: end, session });
        return await (slot.number === 1 ? raceEnd(working, end) : raceSignal(working, end));
      } catch (thrown) {
        const death = signal.aborted ? undefined : deathOf(session);
        if (death !== undefined) this.#options.onDeath(death);
        takeBack();
        // Now, because the item is not tried again if it has cost the run's own session.
        if (slot.number === 1 && !signal.aborted) await slot.tidier.tidyAfter(supervisor, thrown);
        throw death ?? thrown;
      } finally {
        takeBack();
      }
    } finally {
      slot.isFree = true;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Ends all sessions but the run's own, those that are being started included. */
  async stop(): Promise<void> {
    const stops = this.#slots.slice(1).map(async (slot) => {
      await slot.starting;
      await slot.session?.end();
    });
    await Promise.all(stops);
  }

  async #take(size: number, signal: AbortSignal): Promise<Slot> {
    while (this.#slots.length < size) this.#slots.push(makeSlot(this.#slots.length + 1));
    for (;;) {
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

  /** The slot's session, alive and prepared; a death in `prepare` starts the next one, for as long as the restart limit allows. */
  async #ready(slot: Slot, signal: AbortSignal): Promise<SessionSupervisor> {
    // The run's own session is prepared, watched and started anew by the run.
    if (slot.number === 1) {
      const { main, onUnusable } = this.#options;
      if (!(await slot.tidier.tidy(main))) throw signal.aborted ? toError(signal.reason) : onUnusable();
      return main;
    }
    try {
      for (;;) {
        const acquired = (slot.session ??= await this.#start(slot, signal));
        const { supervisor } = acquired;
        signal.throwIfAborted();
        if (supervisor.state !== 'alive' || !(await slot.tidier.tidy(supervisor)))
          await this.#restart(acquired, signal);
        const { signal: session } = supervisor;
        const { prepare, join } = this.#options;
        if (slot.prepared !== session && !(await survives(session, signal, prepare(supervisor, signal)))) continue;
        slot.prepared = session;
        if (await survives(session, signal, join(supervisor))) return supervisor;
      }
    } catch (thrown) {
      if (!signal.aborted) this.#options.onFailure(toError(thrown));
      throw thrown;
    }
  }

  /** The run's own session was started with the same settings, so a start that fails is worth further attempts. */
  async #start(slot: Slot, signal: AbortSignal): Promise<Acquisition> {
    const start = () => {
      const starting = this.#options.start(slot.number, slot.tidier);
      // Set by each attempt, because `retry` does not wait for one that is under way when the signal aborts.
      slot.starting = starting.then(
        (session) => (slot.session = session),
        () => undefined,
      );
      return starting;
    };
    const shouldRetry = (error: Error) => error instanceof SessionStartError;
    return retry(start, { retries: START_RETRIES, shouldRetry, signal });
  }

  async #restart(session: Acquisition, signal: AbortSignal): Promise<void> {
    // It may have died while nothing ran on it.
    const death = deathOf(session.supervisor.signal);
    if (death !== undefined) this.#options.onDeath(death);
    await session.restart({ signal });
  }
}

/** As {@link raceSignal}, but work that has ended the session itself keeps its own result. */
async function raceEnd<Value>(working: Promise<Value>, end: AbortSignal): Promise<Value> {
  try {
    return await raceSignal(working, end);
  } catch (thrown) {
    if (!(end.reason instanceof SessionEndedError) || !(await settlesWithin(working, OWN_RESULT_LIMIT_MS)))
      throw thrown;
    return working;
  }
}

function makeSlot(number: number, tidier = new SessionTidier()): Slot {
  return { number, tidier, session: undefined, starting: Promise.resolve(), prepared: undefined, isFree: true };
}

/** False if the session died of `work`. Rejects as `work` does if it did not. */
async function survives(session: AbortSignal, batch: AbortSignal, work: Promise<void>): Promise<boolean> {
  try {
    await work;
  } catch (thrown) {
    if (batch.aborted || (await deathBehind(thrown, session)) === undefined) throw thrown;
  }
  return deathOf(session) === undefined;
}
