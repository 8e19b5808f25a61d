/** Of several monitors of one registry one does the work; when it stops, or falls silent, the next one does. */
import { randomUUID } from 'node:crypto';

import type { Log } from '../core/log.ts';
import { MONITOR_OFFICE, type Leader, type Registry } from '../registry/registry.ts';

const LEASE_MS = 15_000;
export const STAND_EVERY_MS = 4_000;

export interface OfficeOptions {
  readonly process: { readonly host: string; readonly pid: number };
  readonly log: Log;
}

export class Office {
  readonly #options: OfficeOptions;
  readonly #holder = randomUUID();
  #leader: Leader | undefined;
  /** What the log says of it. */
  #wasTold = false;
  /** By the monotonic clock: of our last success. */
  #keptAtMs = -Infinity;

  constructor(options: OfficeOptions) {
    this.#options = options;
  }

  /** Whether the work is ours; not while it may be another's already. */
  get isOurs(): boolean {
    return this.#leader?.holder === this.#holder && performance.now() - this.#keptAtMs < LEASE_MS;
  }

  /** `host:pid` of whoever has it, as it was last seen. */
  get leaderName(): string | null {
    return this.#leader === undefined ? null : `${this.#leader.host}:${this.#leader.pid}`;
  }

  /** Takes the office where it is free, or keeps it. Also the proof that the registry takes what is written. */
  async stand(registry: Registry): Promise<void> {
    const { process, log } = this.#options;
    const askedAtMs = performance.now();
    const leader = await registry.leadership.stand(MONITOR_OFFICE, {
      holder: this.#holder,
      process,
      leaseMs: LEASE_MS,
    });
    this.#leader = leader;
    this.#keptAtMs = askedAtMs;
    if (this.isOurs === this.#wasTold) return;
    this.#wasTold = this.isOurs;
    if (this.isOurs) log.info('This monitor does the work of its registry');
    else log.warn('Another monitor does the work of this registry by now', { leader: this.leaderName });
  }

  async resign(registry: Registry): Promise<void> {
    this.#leader = undefined;
    await registry.leadership.resign(MONITOR_OFFICE, this.#holder);
  }
}
