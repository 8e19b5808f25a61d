/**
 * Spreads the work of many sessions over turns of the event loop. If a hub ends a thousand sessions at once, their clean-ups and starts take
 * seconds of computing. Without a limit, each turn answers all of them, and nothing else runs for hundreds of milliseconds (measured).
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import PQueue from 'p-queue';

/** With 4 and 8 the longest turn of a thousand deaths took longer (measured), and a smaller number delays the starts of a busy program. */
const MAX_BEGINNINGS_IN_TURN = 2;

export class TurnLimit {
  readonly #queue: PQueue;

  /** `limit` is the maximum number of works that begin in one turn. */
  constructor(limit: number) {
    this.#queue = new PQueue({ concurrency: limit });
  }

  /**
   * Calls `work` at once if fewer than `limit` works began in this turn, otherwise in one of the next turns, in the order of the calls. Settles
   * as `work` does. Rejects with `signal.reason` if the signal aborts before `work` begins.
   */
  run<Value>(work: () => Promise<Value>, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    // A place is occupied until the next turn, whether the work takes longer or fails.
    const begin = async () => {
      resolve((async () => work())());
      await nextTurn();
    };
    this.#queue.add(begin, signal && { signal }).catch(reject);
    return promise;
  }
}

/** The limit of all supervisors of this program, which share its event loop. */
export const sessionTurns = new TurnLimit(MAX_BEGINNINGS_IN_TURN);
