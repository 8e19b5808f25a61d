/** Counts wrong tokens by client, slows down guessing, and reports it. The guessed values are never used here. */
import type { Log } from '../../core/log.ts';

export const MAX_WRONG_TOKENS = 10;
const WINDOW_MS = 60_000;
/** {@link MAX_WRONG_TOKENS} of all clients together within this time are reported, so that slow and shared guessing is noticed too. */
const REPORT_WINDOW_MS = 600_000;
const REPORT_INTERVAL_MS = 60_000;
const MAX_CLIENTS = 10_000;

export interface WrongTokensOptions {
  readonly log: Log;
  /** Called with the latest client, at most once a minute, while there were {@link MAX_WRONG_TOKENS} or more wrong tokens within 10 min. */
  readonly report: (client: string) => void;
}

export class WrongTokens {
  readonly #options: WrongTokensOptions;
  /** The wrong tokens by client. The client that has been silent for the longest is first. */
  readonly #byClient = new Map<string, { readonly times: readonly number[]; readonly seenAtMs: number }>();
  #ofAll: readonly number[] = [];
  #reportedAtMs = -Infinity;

  constructor(options: WrongTokensOptions) {
    this.#options = options;
  }

  /** The number of clients in memory, at most 10 000. */
  get size(): number {
    return this.#byClient.size;
  }

  /** Returns the milliseconds until a token of this client is checked; 0 if it can be checked now. */
  holdUp(client: string): number {
    const { times = [] } = this.#byClient.get(client) ?? {};
    const [oldest = -Infinity] = times;
    const waitMs = times.length < MAX_WRONG_TOKENS ? 0 : Math.max(0, oldest + WINDOW_MS - performance.now());
    // A client that continues while it has to wait is still in the same burst.
    if (waitMs > 0) this.#set(client, times);
    return waitMs;
  }

  note(client: string): void {
    const { log, report } = this.#options;
    const now = performance.now();
    const { times = [], seenAtMs = -Infinity } = this.#byClient.get(client) ?? {};
    if (now - seenAtMs >= WINDOW_MS)
      log.warn(`A wrong token came. After ${MAX_WRONG_TOKENS} wrong tokens within a minute the client has to wait`, {
        client,
      });
    this.#set(client, withLatest(times, now));
    this.#ofAll = withLatest(this.#ofAll, now);
    const [oldest = -Infinity] = this.#ofAll;
    const isMany = this.#ofAll.length === MAX_WRONG_TOKENS && now - oldest < REPORT_WINDOW_MS;
    if (!isMany || now - this.#reportedAtMs < REPORT_INTERVAL_MS) return;
    this.#reportedAtMs = now;
    report(client);
  }

  #set(client: string, times: readonly number[]): void {
    this.#byClient.delete(client);
    this.#byClient.set(client, { times, seenAtMs: performance.now() });
    const [forgotten] = this.#byClient.keys();
    if (this.#byClient.size > MAX_CLIENTS && forgotten !== undefined) this.#byClient.delete(forgotten);
  }
}

function withLatest(times: readonly number[], now: number): readonly number[] {
  return [...times.slice(1 - MAX_WRONG_TOKENS), now];
}
