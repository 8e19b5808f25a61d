/**
 * Owner -> session, within this process. However many callers ask at once, they share one start and then the session; between processes
 * and machines the registry's unique index decides. Nothing is cached by time, and nobody looks a session up a second time.
 */
import { randomUUID } from 'node:crypto';

import { anySignal, delay, raceSignal } from '../core/abort.ts';
import { CancelledError, ConfigError, InvariantError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ProcessIdentity } from '../driver/driver.ts';
import type { Registry, StoredSession } from '../registry/registry.ts';
import type { SupervisorOptions } from '../supervisor/supervisor.ts';
import type { AcquireOptions, Acquisition, SessionManagerEvents } from './acquisition.ts';
import { SessionBusyError, SessionCapacityError } from './errors.ts';
import { HeldSession } from './held-session.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { endRemains, isAbandoned, type ReaperOptions } from './reaper.ts';

export interface OwnersOptions {
  readonly registry: Registry;
  readonly process: ProcessIdentity;
  readonly supervisor: SupervisorOptions;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly capacity: number;
  readonly reaper: ReaperOptions;
  readonly log: Log;
  readonly emit: <Name extends Exclude<keyof SessionManagerEvents, 'cleanup:done'>>(
    name: Name,
    event: SessionManagerEvents[Name],
  ) => void;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const LONGEST_OWNER = 200;

/** One start that is under way, with all who wait for it. */
interface Flight {
  readonly session: Promise<HeldSession>;
  readonly abort: AbortController;
  waiting: number;
}

export class Owners {
  readonly #options: OwnersOptions;
  readonly #holder = randomUUID();
  readonly #keeper: LeaseKeeper;
  readonly #held = new Map<string, HeldSession>();
  readonly #flights = new Map<string, Flight>();
  readonly #closing = new AbortController();
  capacity: number;

  constructor(options: OwnersOptions) {
    const { registry, leaseMs, renewEveryMs, log } = options;
    this.#options = options;
    this.capacity = options.capacity;
    this.#keeper = new LeaseKeeper({ leases: registry.leases, holder: this.#holder, leaseMs, renewEveryMs, log });
  }

  /** Sessions that this process has. */
  get size(): number {
    return this.#held.size;
  }

  async acquire(owner: string, options: AcquireOptions): Promise<Acquisition> {
    validateOwner(owner);
    const { waitMs = 0 } = options;
    const signal = anySignal(options.signal, this.#closing.signal);
    const startedAt = performance.now();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      signal.throwIfAborted();
      try {
        return await this.#acquireNow(owner, options, signal);
      } catch (thrown) {
        const waitedMs = performance.now() - startedAt;
        const isWorthWaiting = thrown instanceof SessionBusyError || thrown instanceof SessionCapacityError;
        if (!isWorthWaiting || waitedMs >= waitMs) {
          throw thrown instanceof SessionBusyError ? new SessionBusyError(thrown.heldBy, { waitedMs }) : thrown;
        }
        await delay(Math.min(pauseMs, waitMs - waitedMs), signal);
      }
    }
  }

  find(id: string): HeldSession | undefined {
    return [...this.#held.values()].find((held) => held.id === id);
  }

  async end(held: HeldSession): Promise<void> {
    const { id, owner } = held;
    if (this.#held.get(owner) === held) this.#held.delete(owner);
    await held.release();
    this.#options.emit('session:ended', { id, owner });
  }

  /** Ends those that nobody used for so long; returns how many. */
  async endIdle(maxAgeMs: number): Promise<number> {
    const before = Date.now() - maxAgeMs;
    const idle = [...this.#held.values()].filter(
      ({ users, lastUsedAt }) => users === 0 && lastUsedAt.getTime() <= before,
    );
    await Promise.all(idle.map((held) => this.end(held)));
    return idle.length;
  }

  /** Ends idle ones, the oldest first, until there are no more than `capacity`. */
  async shrink(): Promise<void> {
    while (this.#held.size > this.capacity && (await this.#evictOldestIdle()));
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#held.values()].map((held) => this.end(held)));
  }

  /** Takes no more callers, and ends everything, starts under way included. */
  async close(): Promise<void> {
    this.#closing.abort(new CancelledError('The session manager is shut down.'));
    const flights = [...this.#flights.values()].map(({ session }) => session.then((held) => this.end(held)));
    await Promise.allSettled([...flights, this.endAll()]);
  }

  /** Owners whose session is still there. */
  get names(): string[] {
    return [...this.#held.keys(), ...this.#flights.keys()];
  }

  async #acquireNow(owner: string, options: AcquireOptions, signal: AbortSignal): Promise<Acquisition> {
    const known = this.#held.get(owner);
    if (known?.isUsable === true) return this.#handOut(known, true);
    if (known !== undefined) {
      // Dead, and at work: whoever works with it restarts it. Dead and idle: it makes room for the next.
      if (known.users > 0) throw new SessionBusyError(await this.#describe(known), { waitedMs: 0 });
      await this.end(known);
    }
    const flight = this.#flights.get(owner);
    if (flight !== undefined) return this.#join(flight, signal, true);
    return this.#join(this.#launch(owner, options), signal, false);
  }

  #launch(owner: string, options: AcquireOptions): Flight {
    const abort = new AbortController();
    const session = this.#open(owner, options, anySignal(abort.signal, this.#closing.signal));
    const flight: Flight = { session, abort, waiting: 0 };
    this.#flights.set(owner, flight);
    session
      .then((held) => this.#held.set(owner, held))
      .catch(() => undefined)
      .finally(() => this.#flights.delete(owner));
    return flight;
  }

  /** Whoever waits no more leaves; the last one to leave ends the start. */
  async #join(flight: Flight, signal: AbortSignal, reused: boolean): Promise<Acquisition> {
    flight.waiting += 1;
    try {
      return this.#handOut(await raceSignal(flight.session, signal), reused);
    } finally {
      flight.waiting -= 1;
      if (flight.waiting === 0 && signal.aborted) flight.abort.abort(toError(signal.reason));
    }
  }

  #handOut(held: HeldSession, reused: boolean): Acquisition {
    held.users += 1;
    held.touch();
    if (reused) this.#options.emit('session:reused', { id: held.id, owner: held.owner });
    let isOpen = true;
    const release = () => {
      if (!isOpen) return;
      isOpen = false;
      held.users -= 1;
      held.touch();
    };
    return {
      owner: held.owner,
      supervisor: held.supervisor,
      get sessionId() {
        return held.id;
      },
      lease: { token: held.token, process: this.#options.process },
      reused,
      restart: (options) => held.restart(options),
      release,
      end: async () => {
        release();
        await this.end(held);
      },
      [Symbol.asyncDispose]: async () => release(),
    };
  }

  /** Claims the owner and starts its browser. */
  async #open(owner: string, options: AcquireOptions, signal: AbortSignal): Promise<HeldSession> {
    const { registry, supervisor, log, emit } = this.#options;
    await this.#makeRoom(owner);
    const claimed = await this.#claim(owner, options.runId);
    const held = await HeldSession.start({
      claimed,
      leases: registry.leases,
      keeper: this.#keeper,
      supervisor: { ...supervisor, ...options.supervisor },
      signal,
      log,
      onOver: (over) => this.#onOver(over),
    });
    emit('session:created', { id: held.id, owner });
    return held;
  }

  async #claim(owner: string, runId: string | undefined): Promise<StoredSession> {
    const { registry, process, leaseMs, log, reaper } = this.#options;
    const claim = { id: randomUUID(), owner, holder: this.#holder, process, leaseMs, runId };
    let result = await registry.leases.claim(claim);
    if (!result.isClaimed && isAbandoned(result.heldBy)) {
      result = await registry.leases.claim({ ...claim, goneIds: [result.heldBy.id] });
    }
    if (!result.isClaimed) throw new SessionBusyError(result.heldBy, { waitedMs: 0 });
    const { session, expired, isRapid } = result;
    if (isRapid) log.warn('Sessions of one owner are started in quick succession; hand one down instead', { owner });
    if (expired !== null) {
      const { host, pid } = expired;
      log.warn('The owner was taken over from a process that did not renew its lease', { owner, host, pid });
      await endRemains(expired, reaper);
    }
    return session;
  }

  /** For one more. */
  async #makeRoom(owner: string): Promise<void> {
    const others = () => this.#held.size + [...this.#flights.keys()].filter((name) => name !== owner).length;
    while (others() >= this.capacity) {
      if (!(await this.#evictOldestIdle())) throw new SessionCapacityError(this.capacity);
    }
  }

  /** Those that have died go first. False where none is idle. */
  async #evictOldestIdle(): Promise<boolean> {
    const idle = [...this.#held.values()].filter(({ users }) => users === 0);
    const [oldest] = idle.toSorted(
      (a, b) => Number(a.isUsable) - Number(b.isUsable) || a.lastUsedAt.getTime() - b.lastUsedAt.getTime(),
    );
    if (oldest === undefined) return false;
    const { id, owner } = oldest;
    await this.end(oldest);
    this.#options.emit('session:evicted', { id, owner });
    return true;
  }

  #onOver(held: HeldSession): void {
    const { id, owner } = held;
    if (this.#held.get(owner) === held) this.#held.delete(owner);
    this.#options.emit('session:lost', { id, owner });
  }

  async #describe({ id, owner }: HeldSession): Promise<StoredSession> {
    const session = await this.#options.registry.sessions.get(id);
    if (session === undefined) throw new InvariantError(`The session of "${owner}" is held, and has no row.`);
    return session;
  }
}

function validateOwner(owner: string): void {
  const isUsable =
    typeof owner === 'string' &&
    owner !== '' &&
    owner.length <= LONGEST_OWNER &&
    owner.isWellFormed() &&
    !/\p{Cc}/u.test(owner);
  if (isUsable) return;
  throw new ConfigError(
    `The owner ${JSON.stringify(owner)?.slice(0, 80)} can't be used; an owner is a text of 1 to ${LONGEST_OWNER} printable letters.`,
  );
}
