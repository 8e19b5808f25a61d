/** Renews the leases of all sessions of a manager by one statement per tick, and tells those who lost theirs. */
import type { StoredSession } from '../model/session.ts';
import { delay } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Renewal, SessionLeases } from '../registry/registry.ts';

/** What a lease is kept for. */
export interface LeaseHolding {
  readonly renewal: Renewal;
  /** The session is no longer ours; as it stands now, null where its row is gone. */
  lose(now: StoredSession | null): void;
}

export interface LeaseKeeperOptions {
  readonly leases: SessionLeases;
  readonly holder: string;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly log: Log;
}

/** A timer that is later than this was not merely waiting for its turn. */
const HELD_MS = 1_000;
const PROOF_PAUSE_MS = 250;

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #holdings = new Set<LeaseHolding>();
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #proving: Promise<void> | undefined;
  /** By both clocks: the one goes on while the machine sleeps, the other while somebody sets the time. */
  #renewedAt = now();
  #tickedAt = now();
  #wasHeld = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  add(holding: LeaseHolding): void {
    if (this.#holdings.size === 0) {
      this.#renewedAt = now();
      this.#tickedAt = now();
    }
    this.#holdings.add(holding);
    this.#timer ??= setInterval(() => this.#tick(), this.#options.renewEveryMs);
  }

  remove(holding: LeaseHolding): void {
    this.#holdings.delete(holding);
    if (this.#holdings.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * The leases run out soon, or this process was suspended and has not asked since: another one may hold an owner by now, and what this one
   * held may have been ended from outside.
   */
  get isUncertain(): boolean {
    const { leaseMs, renewEveryMs } = this.#options;
    return since(this.#renewedAt) > leaseMs - renewEveryMs || this.#wasHeld || this.#isTickLate;
  }

  /**
   * Undefined if the leases are certain. Otherwise resolves when they are renewed; those that were lost have been told by then. A registry that
   * can't be reached is asked until it can.
   */
  prove(): Promise<void> | undefined {
    if (!this.isUncertain) return undefined;
    this.#proving ??= this.#renewUntilCertain().finally(() => (this.#proving = undefined));
    return this.#proving;
  }

  async #renewUntilCertain(): Promise<void> {
    for (;;) {
      await this.renew();
      if (!this.isUncertain || this.#holdings.size === 0) return;
      await delay(PROOF_PAUSE_MS);
    }
  }

  get #isTickLate(): boolean {
    return since(this.#tickedAt) > this.#options.renewEveryMs + HELD_MS;
  }

  #tick(): void {
    if (this.#isTickLate) this.#wasHeld = true;
    this.#tickedAt = now();
    void this.renew();
  }

  /** Renews now, or waits for the renewal under way. Never rejects: a registry that can't be reached is asked again at the next tick. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renewAll().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renewAll(): Promise<void> {
    const { leases, holder, leaseMs, log } = this.#options;
    const holdings = [...this.#holdings];
    const at = now();
    // A session may get its next row while this is under way; then the row that was asked for is rightly gone.
    const asked = holdings.map((holding) => [holding, holding.renewal] as const);
    try {
      const lost = await leases.renew(
        holder,
        asked.map(([, renewal]) => renewal),
        leaseMs,
      );
      this.#renewedAt = at;
      this.#wasHeld = false;
      for (const [holding, { id }] of asked) {
        const session = lost.get(id);
        if (session !== undefined && this.#holdings.has(holding) && holding.renewal.id === id) holding.lose(session);
      }
    } catch (thrown) {
      log.warn('The leases of the sessions could not be renewed; trying again', { reason: toError(thrown).message });
    }
  }
}

interface Time {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** By the clock that went further. */
function since(time: Time): number {
  const { monotonicMs, wallMs } = now();
  return Math.max(monotonicMs - time.monotonicMs, wallMs - time.wallMs);
}

function now(): Time {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}
