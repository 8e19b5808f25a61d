/** Limits requests per host, so that many workers together don't overload one server. */
import PQueue from 'p-queue';

import { ActionError } from '../core/errors.ts';

export interface HostLimitOptions {
  /** The maximum number of requests to one host at the same time. @default no limit */
  readonly concurrency?: number;
  /** The minimum time between the starts of two requests to one host, in milliseconds. @default 0 */
  readonly minDelayMs?: number;
}

/** Hosts that have no request are forgotten when more than this number of hosts is known. */
const MAX_KNOWN_HOSTS = 1_000;
/** The longest delay of a Node.js timer; a longer one fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The maximum time in milliseconds between p-queue's release of a task and its start. p-queue measures the delay between releases. */
const START_LATENCY_MS = 1;

interface Host {
  readonly queue: PQueue;
  lastUsedAt: number;
}

/**
 * Runs requests so that the number of simultaneous requests to a host, and their rate, stay within the options.
 *
 * @example
 * const limits = new HostLimits({ concurrency: 4, minDelayMs: 100 });
 * const response = await limits.run(url, () => fetch(url, { signal }), { signal });
 */
export class HostLimits {
  readonly #options: HostLimitOptions;
  readonly #hosts = new Map<string, Host>();

  /** Throws `ActionError` if an option can't be used. */
  constructor(options: HostLimitOptions) {
    validateHostLimits(options);
    this.#options = options;
  }

  /** Calls `request` when the limits of the host of `url` allow it. Rejects with the reason of `signal` if that aborts first. */
  run<Value>(url: string | URL, request: () => Promise<Value>, { signal }: { signal: AbortSignal }): Promise<Value> {
    const { host: name } = new URL(url);
    const host = this.#hosts.get(name) ?? this.#open(name);
    const start = () => {
      host.lastUsedAt = Date.now();
      return request();
    };
    return host.queue.add(start, { signal });
  }

  #open(name: string): Host {
    if (this.#hosts.size >= MAX_KNOWN_HOSTS) this.#forgetIdle();
    const { concurrency = Infinity, minDelayMs = 0 } = this.#options;
    const delay = minDelayMs > 0 ? { intervalCap: 1, interval: minDelayMs + START_LATENCY_MS, strict: true } : {};
    const host = { queue: new PQueue({ concurrency, ...delay }), lastUsedAt: 0 };
    this.#hosts.set(name, host);
    return host;
  }

  /** Removes hosts without requests. A host stays while its delay still applies to its next request. */
  #forgetIdle(): void {
    const { minDelayMs = 0 } = this.#options;
    for (const [name, { queue, lastUsedAt }] of this.#hosts) {
      if (queue.size === 0 && queue.pending === 0 && lastUsedAt + minDelayMs < Date.now()) this.#hosts.delete(name);
    }
  }
}

/** Throws `ActionError` if an option can't be used. */
export function validateHostLimits({ concurrency = 1, minDelayMs = 0 }: HostLimitOptions): void {
  if (concurrency !== Infinity && (!Number.isInteger(concurrency) || concurrency < 1))
    throw new ActionError(`perHost.concurrency is ${concurrency}; it must be a whole number of at least 1.`);
  if (!(minDelayMs >= 0 && minDelayMs <= MAX_TIMER_MS))
    throw new ActionError(`perHost.minDelayMs is ${minDelayMs}; it must be at least 0 and at most 24 days.`);
}
