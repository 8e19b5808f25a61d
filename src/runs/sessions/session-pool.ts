/**
 * The sessions of one run, for batches whose workers need a browser each. Slot 1 is the run's own session; the run handles its death. If
 * the session of another slot dies, only that slot is restarted, and its item is done again.
 */
import { anySignal, raceSignal, settlesWithin } from '../../core/abort.ts';
import { toError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { Acquisition } from '../../sessions/sessions.ts';
import {
  deathBehind,
  deathOf,
  deathSignalOf,
  SessionEndedError,
  SessionStartError,
  type Api,
  type CriticalFailureError,
  type SessionDeathError,
  type SessionSupervisor,
  type WebDriver,
} from '../../supervisor/supervisor.ts';
import type { Retirement } from './retirement.ts';
import type { SessionLimit } from './session-limit.ts';
import { SessionTidier } from './session-tidier.ts';

/** The session that a worker uses. */
export interface WorkerSession {
  readonly driver: WebDriver;
  readonly api: Api;
  /** Aborts when the session dies or the batch ends. */
  readonly signal: AbortSignal;
}

/** A session of the pool that a worker uses. */
export interface PooledSession extends WorkerSession {
  /** The session's halt. */
  readonly session: AbortSignal;
}

export interface SessionPoolOptions {
  readonly main: SessionSupervisor;
  /** The tidier of the run's own session. */
  readonly tidier: SessionTidier;
  /** Starts the session of slot `number` (2, 3, …). The tidier must see the session's commands. */
  readonly start: (number: number, tidier: SessionTidier) => Promise<Acquisition>;
  /** Prepares each new session of a slot before its first item. */
  readonly prepare: (slot: SessionSupervisor, signal: AbortSignal) => Promise<void>;
  /** Updates the session of a slot other than the first to the state of the run's own session. Called before each use of the slot. */
  readonly join: (slot: SessionSupervisor) => Promise<void>;
  /** Decides how many sessions fit on this machine. */
  readonly limit: SessionLimit;
  /** The session of a slot other than the first ends when no item has used it for this long. 0: it stays. */
  readonly idleMs: number;
  /** Decides when the session of a slot other than the first is renewed before its next use. */
  readonly retirement: Retirement;
  /** Called when a slot's session has died, before the slot is restarted. May be called more than once for one death. */
  readonly onDeath: (death: SessionDeathError) => void;
  /** Called when a slot can't be used any more: its start, its restart or its `prepare` failed. No item has caused this. */
  readonly onFailure: (failure: Error) => void;
  /** Called when the run's own session can't be tidied for the next item. Returns the error that ends the item's batch. */
  readonly onUnusable: () => Error;
}

export interface UseOptions {
  /** The number of sessions that the batch uses. */
  readonly size: number;
  /** Aborts when the batch ends. */
  readonly signal: AbortSignal;
}

const START_RETRIES = 2;
/** The time that an item which ends the run's own session, and with it the batch, has to reach its own result. */
const OWN_RESULT_LIMIT_MS = 1_500;

interface Slot {
  readonly number: number;
  readonly tidier: SessionTidier;
  session: Acquisition | undefined;
  /** Settles when the current start of a session has succeeded or failed. */
  starting: Promise<unknown>;
  /** The session for which `prepare` has completed. */
  prepared: AbortSignal | undefined;
  isFree: boolean;
  /** Ends the session of the free slot. */
  idleTimer: NodeJS.Timeout | undefined;
}

/** The session of the slot that was asked for, or another slot. */
type Seat =
  | { readonly supervisor: SessionSupervisor; readonly other?: undefined }
  | { readonly supervisor?: undefined; readonly other: Slot };

export class SessionPool {
  readonly #options: SessionPoolOptions;
  readonly #slots: Slot[];
  readonly #waiting: (() => void)[] = [];
  /** The number of calls of `use` that have not ended. */
  #users = 0;

  constructor(options: SessionPoolOptions) {
    this.#options = options;
    this.#slots = [makeSlot(1, options.tidier)];
  }

  /** The critical failure of the API of a slot, if there was one. */
  get criticalFailure(): CriticalFailureError | undefined {
    const failures = this.#slots.map(({ session }) => session?.supervisor.criticalFailure);
    return failures.find((failure) => failure !== undefined);
  }

  /** Returns how many of the `wanted` sessions a batch can use. */
  fit(wanted: number): number {
    const running = this.#slots.filter(({ number, session }) => number === 1 || session !== undefined);
    return this.#options.limit.fit(wanted, running.length);
  }

  /** Runs `work` on a session that no other work uses meanwhile. Rejects with the session's death if it dies, also if `work` catches it. */
  async use<Value>(work: (session: PooledSession) => Promise<Value>, { size, signal }: UseOptions): Promise<Value> {
    signal.throwIfAborted();
    this.#users += 1;
    let slot: Slot | undefined;
    try {
      const seat = await this.#seat(size, signal);
      ({ slot } = seat);
      const { supervisor } = seat;
      const { driver, api, signal: session } = supervisor;
      const end = anySignal(signal, deathSignalOf(session));
      const takeBack = slot.tidier.lend(supervisor);
      try {
        const working = work({ driver, api, signal: end, session });
        const value = await (slot.number === 1 ? raceEnd(working, end) : raceSignal(working, end));
        supervisor.noteProgress();
        return value;
      } catch (thrown) {
        const death = signal.aborted ? undefined : deathOf(session);
        if (death !== undefined) this.#options.onDeath(death);
        takeBack();
        // Before the next attempt, because an item that has made the run's own session unusable is not tried again.
        if (slot.number === 1 && !signal.aborted) await slot.tidier.tidyAfter(supervisor, thrown);
        throw death ?? thrown;
      } finally {
        takeBack();
      }
    } finally {
      this.#users -= 1;
      if (slot !== undefined) this.#giveBack(slot);
    }
  }

  /** Ends all sessions except the run's own, also those that are still starting. */
  async stop(): Promise<void> {
    const stops = this.#slots.slice(1).map(async (slot) => {
      await slot.starting;
      await slot.session?.end();
      // Cleared last, because work that ends meanwhile gives its slot back.
      clearTimeout(slot.idleTimer);
    });
    await Promise.all(stops);
  }

  /** Takes a slot with its session ready. Work whose slot still starts or recovers moves to another slot that becomes free meanwhile. */
  async #seat(size: number, signal: AbortSignal): Promise<{ slot: Slot; supervisor: SessionSupervisor }> {
    let slot = await this.#take(size, signal);
    for (;;) {
      const { supervisor, other } = await this.#readyOrOther(slot, { size, signal });
      if (supervisor !== undefined) return { slot, supervisor };
      slot = other;
    }
  }

  /** Returns the slot's session, or another slot, taken. The slot then becomes ready without work, and is given back. */
  async #readyOrOther(slot: Slot, { size, signal }: UseOptions): Promise<Seat> {
    let isSettled = false;
    const preparing = this.#ready(slot, signal).finally(() => (isSettled = true));
    try {
      for (;;) {
        // The run's own session is only tidied, and its failure is one of the item.
        if (slot.number > 1) await Promise.race([preparing, this.#nextFree()]);
        const other = isSettled || slot.number === 1 ? undefined : this.#findReady(size);
        if (other !== undefined) {
          occupy(other);
          const giveBack = () => this.#giveBack(slot);
          void preparing.then(giveBack, giveBack);
          return { other };
        }
        if (isSettled || slot.number === 1) return { supervisor: await preparing };
      }
    } catch (thrown) {
      this.#giveBack(slot);
      throw thrown;
    }
  }

  async #take(size: number, signal: AbortSignal): Promise<Slot> {
    while (this.#slots.length < size) this.#slots.push(makeSlot(this.#slots.length + 1));
    for (;;) {
      const free = this.#findReady(size) ?? this.#slots.slice(0, size).find(({ isFree }) => isFree);
      if (free !== undefined) {
        occupy(free);
        return free;
      }
      await raceSignal(this.#nextFree(), signal);
    }
  }

  /** Returns a free slot whose session can be used at once. */
  #findReady(size: number): Slot | undefined {
    return this.#slots.slice(0, size).find((slot) => slot.isFree && isReady(slot));
  }

  #nextFree(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    return promise;
  }

  #giveBack(slot: Slot): void {
    slot.isFree = true;
    const { idleMs } = this.#options;
    if (slot.session !== undefined && idleMs > 0)
      slot.idleTimer = setTimeout(() => void this.#endIdle(slot), idleMs).unref();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Ends the session of a slot that no item needs, which frees memory or a slot of a Grid. The next item starts another one. */
  async #endIdle(slot: Slot): Promise<void> {
    occupy(slot);
    // A session whose end fails is left to the cleanup, as at the end of the run.
    slot.starting = Promise.resolve(slot.session?.end()).catch(() => undefined);
    await slot.starting;
    slot.session = undefined;
    this.#giveBack(slot);
  }

  /** Returns the slot's session, alive and prepared. After a death in `prepare` the slot is restarted, within the restart limit. */
  async #ready(slot: Slot, signal: AbortSignal): Promise<SessionSupervisor> {
    // The run prepares, watches and restarts its own session.
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
        const { prepare, join, retirement } = this.#options;
        // A session without an earlier use has reached no limit.
        const reason = slot.prepared === supervisor.signal ? retirement.reasonFor(supervisor) : undefined;
        if (supervisor.state !== 'alive' || reason !== undefined || !(await slot.tidier.tidy(supervisor)))
          await this.#restart(acquired, signal, reason);
        const { signal: session } = supervisor;
        if (slot.prepared !== session) {
          if (!(await survives(session, signal, prepare(supervisor, signal)))) continue;
          retirement.begin(supervisor);
        }
        slot.prepared = session;
        if (await survives(session, signal, join(supervisor))) return supervisor;
      }
    } catch (thrown) {
      // A slot that started for work which is over harms nothing. The next work starts it again.
      if (!signal.aborted && this.#users > 0) this.#options.onFailure(toError(thrown));
      throw thrown;
    }
  }

  /** Starts a session. The run's own session was started with the same settings, so a failed start is retried. */
  async #start(slot: Slot, signal: AbortSignal): Promise<Acquisition> {
    const start = () => {
      const starting = this.#options.start(slot.number, slot.tidier);
      // Set by each attempt, because `retry` does not wait for the current attempt when the signal aborts.
      slot.starting = starting.then(
        (session) => (slot.session = session),
        () => undefined,
      );
      return starting;
    };
    const shouldRetry = (error: Error) => error instanceof SessionStartError;
    return retry(start, { retries: START_RETRIES, shouldRetry, signal });
  }

  async #restart(session: Acquisition, signal: AbortSignal, reason?: string): Promise<void> {
    // The session may have died while no item used it.
    const death = deathOf(session.supervisor.signal);
    if (death !== undefined) this.#options.onDeath(death);
    await session.restart({ signal, reason });
  }
}

/** Like {@link raceSignal}, but if the work itself has ended the session, its own result counts. */
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
  return {
    number,
    tidier,
    session: undefined,
    starting: Promise.resolve(),
    prepared: undefined,
    isFree: true,
    idleTimer: undefined,
  };
}

function occupy(slot: Slot): void {
  slot.isFree = false;
  clearTimeout(slot.idleTimer);
}

function isReady({ number, session, prepared }: Slot): boolean {
  return number === 1 || (session?.supervisor.state === 'alive' && prepared === session.supervisor.signal);
}

/** Resolves with false if the session died during `work`. Otherwise it rejects as `work` does. */
async function survives(session: AbortSignal, batch: AbortSignal, work: Promise<void>): Promise<boolean> {
  try {
    await work;
  } catch (thrown) {
    if (batch.aborted || (await deathBehind(thrown, session)) === undefined) throw thrown;
  }
  return deathOf(session) === undefined;
}
