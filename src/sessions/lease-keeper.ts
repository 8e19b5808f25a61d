/** Renews the leases of all sessions of a manager with one statement per tick, and notifies the sessions that have lost their lease. */
import type { StoredSession } from '../model/session.ts';
import { delay } from '../core/abort.ts';
import { toError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Renewal, SessionLeases } from '../registry/registry.ts';

/** A session whose lease is renewed. */
export interface LeaseHolding {
  readonly renewal: Renewal;
  /** Called when this process has lost the session. `now` is its current row, or null if the row is gone. */
  lose(now: StoredSession | null): void;
}

export interface LeaseKeeperOptions {
  readonly leases: SessionLeases;
  readonly holder: string;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly log: Log;
}

/** The delay of a timer above which the process was suspended, and not only busy. */
const MAX_BUSY_DELAY_MS = 1_000;
const PROOF_PAUSE_MS = 250;

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #holdings = new Set<LeaseHolding>();
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #proving: Promise<void> | undefined;
  /**
   * The time of the last renewal by both clocks: the wall clock continues while the machine sleeps, and the monotonic clock is not affected
   * when the time is set.
   */
  #renewedAt = now();
  #tickedAt = now();
  #wasSuspended = false;

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
   * True if the leases expire soon, or if this process was suspended and has not renewed them since. Another process may hold an owner by
   * now, and may have ended the sessions of this process.
   */
  get isUncertain(): boolean {
    const { leaseMs, renewEveryMs } = this.#options;
    return since(this.#renewedAt) > leaseMs - renewEveryMs || this.#wasSuspended || this.#isTickLate;
  }

  /**
   * Returns undefined if the leases are certain. Otherwise resolves when they are renewed; the lost sessions have been notified by then. If
   * the registry can't be reached, the renewal is repeated until it can.
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
    return since(this.#tickedAt) > this.#options.renewEveryMs + MAX_BUSY_DELAY_MS;
  }

  #tick(): void {
    if (this.#isTickLate) this.#wasSuspended = true;
    this.#tickedAt = now();
    void this.renew();
  }

  /**
   * Renews the leases now, or waits for the renewal in progress. Never rejects: if the registry can't be reached, the renewal is repeated
   * at the next tick.
   */
  renew(): Promise<void> {
    this.#renewing ??= this.#renewAll().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renewAll(): Promise<void> {
    const { leases, holder, leaseMs, log } = this.#options;
    const holdings = [...this.#holdings];
    const at = now();
    // A session may get its next row during the renewal. Its previous row is then gone for a legitimate reason.
    const asked = holdings.map((holding) => [holding, holding.renewal] as const);
    try {
      const lost = await leases.renew(
        holder,
        asked.map(([, renewal]) => renewal),
        leaseMs,
      );
      this.#renewedAt = at;
      this.#wasSuspended = false;
      for (const [holding, { id }] of asked) {
        const session = lost.get(id);
        if (session !== undefined && this.#holdings.has(holding) && holding.renewal.id === id) holding.lose(session);
      }
    } catch (thrown) {
      log.warn('The leases of the sessions could not be renewed; the renewal is repeated', {
        reason: toError(thrown).message,
      });
    }
  }
}

interface Time {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Returns the time since `time` by the clock that advanced further. */
function since(time: Time): number {
  const { monotonicMs, wallMs } = now();
  return Math.max(monotonicMs - time.monotonicMs, wallMs - time.wallMs);
}

function now(): Time {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}
