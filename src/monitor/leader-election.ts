/** Leader election: one of the monitors of a registry does the work. If it stops or no longer answers, another one takes over. */
import { randomUUID } from 'node:crypto';

import type { Log } from '../core/log.ts';
import { MONITOR_LEADERSHIP, type Leader, type Registry } from '../registry/registry.ts';

const LEASE_MS = 15_000;
export const RENEWAL_INTERVAL_MS = 4_000;

export interface LeaderElectionOptions {
  readonly process: { readonly host: string; readonly pid: number };
  readonly log: Log;
}

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #holder = randomUUID();
  #leader: Leader | undefined;
  /** The value of `isLeader` that was logged last. */
  #loggedIsLeader = false;
  /** The start of the last successful renewal, by the monotonic clock. */
  #renewedAtMs = -Infinity;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  /** True if this monitor is the leader; false as soon as another one may have taken over. */
  get isLeader(): boolean {
    return this.#leader?.holder === this.#holder && performance.now() - this.#renewedAtMs < LEASE_MS;
  }

  /** `host:pid` of the leader that was last seen. */
  get leaderName(): string | null {
    return this.#leader === undefined ? null : `${this.#leader.host}:${this.#leader.pid}`;
  }

  /** Becomes the leader if there is none, or renews the lease. Success also proves that the registry accepts writes. */
  async acquireOrRenew(registry: Registry): Promise<void> {
    const { process, log } = this.#options;
    const startedAtMs = performance.now();
    const leader = await registry.leadership.acquire(MONITOR_LEADERSHIP, {
      holder: this.#holder,
      process,
      leaseMs: LEASE_MS,
    });
    this.#leader = leader;
    this.#renewedAtMs = startedAtMs;
    if (this.isLeader === this.#loggedIsLeader) return;
    this.#loggedIsLeader = this.isLeader;
    if (this.isLeader) log.info('This monitor is the leader of its registry');
    else log.warn('Another monitor is the leader of this registry now', { leader: this.leaderName });
  }

  /** Releases the leadership, if this monitor has it. */
  async release(registry: Registry): Promise<void> {
    this.#leader = undefined;
    await registry.leadership.release(MONITOR_LEADERSHIP, this.#holder);
  }
}
