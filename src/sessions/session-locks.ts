/** Locks by session, for compound operations within this process; whoever has one may take it again. */
import { AsyncLocalStorage } from 'node:async_hooks';

import { settlesWithin } from '../core/abort.ts';
import { SessionLockError } from './errors.ts';

const WAIT_LIMIT_MS = 30_000;

export class SessionLocks {
  /** The end of the last work that was queued for each session. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #mine = new AsyncLocalStorage<ReadonlySet<string>>();

  /** Throws {@link SessionLockError} where other work holds the lock for too long. */
  async with<Value>(id: string, work: () => Promise<Value> | Value, waitLimitMs = WAIT_LIMIT_MS): Promise<Value> {
    const mine = this.#mine.getStore() ?? new Set();
    if (mine.has(id)) return work();
    const before = this.#tails.get(id) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    const tail = before.then(() => done);
    this.#tails.set(id, tail);
    try {
      if (!(await settlesWithin(before, waitLimitMs))) throw new SessionLockError(id, waitLimitMs);
      return await this.#mine.run(new Set([...mine, id]), async () => work());
    } finally {
      release();
      if (this.#tails.get(id) === tail) this.#tails.delete(id);
    }
  }
}
