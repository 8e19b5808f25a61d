/**
 * Maps owners to their sessions within this process. Simultaneous callers share one start, and then the session. Between processes and
 * machines, a unique index of the registry allows one live session per owner.
 *
 * An owner without a session has no entry here. Otherwise it is starting, held or ending. A new start waits for the end of the last session.
 */
import { randomUUID } from 'node:crypto';

import type { ProcessIdentity } from '../model/process.ts';
import type { StoredSession } from '../model/session.ts';
import { anySignal, delay, raceSignal } from '../core/abort.ts';
import { ActionError, CancelledError, toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../registry/registry.ts';
import type { SupervisorOptions } from '../supervisor/supervisor.ts';
import type { Acquisition, ObservedAcquireOptions, SessionManagerEvents, UserObserver } from './acquisition.ts';
import { claimOwner, validateOwner } from './claim.ts';
import { SessionBusyError, SessionCapacityError } from './errors.ts';
import { HeldSession } from './held-session.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { endLeftovers, type ReaperOptions } from '../upkeep/upkeep.ts';
import { ReuseCount } from './reuse-count.ts';
import { SharedStart } from './shared-start.ts';

export interface OwnersOptions {
  readonly registry: Registry;
  readonly process: ProcessIdentity;
  /** The id of this manager in the registry. */
  readonly holder: string;
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
const MAX_PAUSE_MS = 1_000;

export class Owners {
  readonly #options: OwnersOptions;
  readonly #keeper: LeaseKeeper;
  readonly #starting = new Map<string, SharedStart>();
  readonly #held = new Map<string, HeldSession>();
  readonly #ending = new Map<HeldSession, Promise<void>>();
  /** The starting owners whose sessions count against `capacity`. The other starting owners wait for capacity. */
  readonly #admitted = new Set<string>();
  readonly #closing = new AbortController();
  readonly #reuses: ReuseCount;
  capacity: number;

  constructor(options: OwnersOptions) {
    const { registry, holder, leaseMs, renewEveryMs, log } = options;
    this.#options = options;
    this.capacity = options.capacity;
    this.#keeper = new LeaseKeeper({ leases: registry.leases, holder, leaseMs, renewEveryMs, log });
    this.#reuses = new ReuseCount(options);
  }

  /** The number of sessions of this process, including sessions that start or end. */
  get size(): number {
    return this.#held.size + this.#ending.size + this.#admitted.size;
  }

  /** The owners whose session has not ended yet. */
  get names(): string[] {
    const ending = [...this.#ending.keys()].map(({ owner }) => owner);
    return [...new Set([...this.#held.keys(), ...this.#starting.keys(), ...ending])];
  }

  async acquire(owner: string, options: ObservedAcquireOptions): Promise<Acquisition> {
    validateOwner(owner);
    const { waitMs = 0 } = options;
    const signal = anySignal(options.signal, this.#closing.signal);
    const startedAt = performance.now();
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
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

  /** Ends a session. Idempotent. Resolves when its browser has ended and its owner is free. */
  end(held: HeldSession): Promise<void> {
    const { owner } = held;
    if (this.#held.get(owner) !== held) return held.release();
    const announce = () =>
      this.#options.emit(held.isLost ? 'session:lost' : 'session:ended', { id: held.livedId, owner });
    const { isLost } = held;
    this.#held.delete(owner);
    const ending = held
      .release()
      .finally(() => this.#ending.delete(held))
      .then(() => (isLost ? undefined : announce()));
    this.#ending.set(held, ending);
    if (isLost) announce();
    return ending;
  }

  /** Ends the sessions that were not used for `maxAgeMs`. Returns their number. */
  async endIdle(maxAgeMs: number): Promise<number> {
    const before = Date.now() - maxAgeMs;
    const idle = this.#idle.filter(({ lastUsedAt }) => lastUsedAt.getTime() <= before);
    await Promise.all(idle.map((held) => this.end(held)));
    return idle.length;
  }

  /** Ends idle sessions, the one that was idle for longest first, until there are at most `capacity` sessions. */
  async shrink(): Promise<void> {
    while (this.#held.size > this.capacity) {
      const evicting = this.#evictOldestIdle();
      if (evicting === undefined) return;
      await evicting;
    }
  }

  /** Ends all sessions. Sessions that are being started are awaited, and then ended. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#starting.values()].map(({ over }) => over));
    const ending = [...this.#ending.values()];
    await Promise.allSettled([...ending, ...[...this.#held.values()].map((held) => this.end(held))]);
  }

  /** Refuses further callers, and ends all sessions, including those that are being started. */
  async close(): Promise<void> {
    this.#closing.abort(new CancelledError('The session manager is shut down.'));
    await this.endAll();
    await this.#reuses.settled();
  }

  async #acquireNow(owner: string, options: ObservedAcquireOptions, signal: AbortSignal): Promise<Acquisition> {
    for (;;) {
      signal.throwIfAborted();
      const known = this.#held.get(owner);
      if (known?.isUsable === true) {
        known.users += 1;
        return this.#handOut(known, { reused: true, observer: options.observer });
      }
      // The session is not alive but has users, and they restart it.
      if (known !== undefined && known.users > 0) throw new SessionBusyError(known.stored, { waitedMs: 0 });
      if (known !== undefined) this.#drop(known);
      const underWay = this.#starting.get(owner);
      const end = underWay?.isGivenUp === true ? underWay.over : this.#endOf(owner);
      if (end !== undefined) {
        await raceSignal(end, signal);
        continue;
      }
      const held = await (underWay ?? this.#beginStart(owner, options)).join(signal);
      if (!held.isOver) return this.#handOut(held, { reused: underWay !== undefined, observer: options.observer });
      // Another caller that waited for this start has already ended the session.
      this.#giveBack(held);
    }
  }

  #beginStart(owner: string, options: ObservedAcquireOptions): SharedStart {
    const { emit } = this.#options;
    const start = new SharedStart({
      start: (signal) => this.#open(owner, options, anySignal(signal, this.#closing.signal)),
      onStarted: (held) => {
        this.#held.set(owner, held);
        emit('session:created', { id: held.id, owner });
      },
      onOver: () => {
        this.#admitted.delete(owner);
        this.#starting.delete(owner);
      },
      giveBack: (held) => this.#giveBack(held),
    });
    this.#starting.set(owner, start);
    return start;
  }

  /** Claims the owner and starts its browser. */
  async #open(owner: string, { runId, ...options }: ObservedAcquireOptions, signal: AbortSignal): Promise<HeldSession> {
    const { registry, holder, process, leaseMs, renewEveryMs, supervisor, log } = this.#options;
    const { leases } = registry;
    await this.#admit(owner, signal);
    const claim = { id: randomUUID(), owner, holder, process, leaseMs, runId };
    const { session, expired } = await claimOwner(claim, { leases, renewEveryMs, signal, log });
    return HeldSession.start({
      claimed: session,
      leases,
      keeper: this.#keeper,
      supervisor: { ...supervisor, ...options.supervisor },
      signal,
      log,
      prepare: async () => {
        if (expired !== null) await this.#clear(expired);
      },
      onOver: (held) => this.#drop(held),
    });
  }

  /** Waits until the session fits into `capacity`, and counts it. If no session is ending, the one that was idle for longest is ended. */
  async #admit(owner: string, signal: AbortSignal): Promise<void> {
    // Lets the caller store this start in `#starting` before the start can fail.
    await Promise.resolve();
    signal.throwIfAborted();
    while (this.size >= this.capacity) {
      const ending = this.#ending.size > 0 ? Promise.race(this.#ending.values()) : this.#evictOldestIdle();
      if (ending === undefined) throw new SessionCapacityError(this.capacity);
      await raceSignal(ending, signal);
    }
    this.#admitted.add(owner);
  }

  #handOut(
    held: HeldSession,
    { reused, observer = {} }: { readonly reused: boolean; readonly observer: UserObserver | undefined },
  ): Acquisition {
    held.touch();
    held.observers.add(observer);
    if (reused) {
      this.#options.emit('session:reused', { id: held.id, owner: held.owner });
      this.#reuses.add();
    }
    let isOpen = true;
    let known = held.restarts;
    const release = () => {
      if (!isOpen) return;
      isOpen = false;
      held.observers.delete(observer);
      this.#giveBack(held);
    };
    return {
      owner: held.owner,
      supervisor: held.supervisor,
      get sessionId() {
        return held.id;
      },
      lease: { token: held.token, process: this.#options.process },
      reused,
      restart: async (options) => {
        if (!isOpen)
          throw new ActionError(`The session of "${held.owner}" was released; acquire it again to restart it.`);
        known = await held.restart(known, options);
      },
      release,
      end: async () => {
        try {
          await this.end(held);
        } finally {
          release();
        }
      },
      [Symbol.asyncDispose]: async () => {
        release();
        await this.#ending.get(held);
      },
    };
  }

  /** Removes one user. Without users, a session that is not alive is ended, because no user will restart it. */
  #giveBack(held: HeldSession): void {
    held.users -= 1;
    held.touch();
    if (held.users === 0 && !held.isUsable) this.#drop(held);
  }

  get #idle(): HeldSession[] {
    return [...this.#held.values()].filter(({ users }) => users === 0);
  }

  /** Ends the session that was idle for longest. Returns a promise of its end; undefined if no session is idle. */
  #evictOldestIdle(): Promise<void> | undefined {
    const [oldest] = this.#idle.toSorted((a, b) => a.lastUsedAt.getTime() - b.lastUsedAt.getTime());
    if (oldest === undefined) return undefined;
    this.#options.emit('session:evicted', { id: oldest.id, owner: oldest.owner });
    return this.end(oldest);
  }

  #endOf(owner: string): Promise<void> | undefined {
    for (const [held, ending] of this.#ending) if (held.owner === owner) return ending;
    return undefined;
  }

  /** Ends a session in the background. The next caller for the owner waits for the end. */
  #drop(held: HeldSession): void {
    this.end(held).catch((thrown: unknown) => this.#warn('A session could not be ended', held.owner, thrown));
  }

  async #clear(expired: StoredSession): Promise<void> {
    try {
      await endLeftovers(expired, this.#options.reaper);
    } catch (thrown) {
      this.#warn('The leftovers of the owner’s last holder could not be removed', expired.owner, thrown);
    }
  }

  #warn(message: string, owner: string, thrown: unknown): void {
    this.#options.log.warn(message, { owner, reason: toError(thrown).message });
  }
}
