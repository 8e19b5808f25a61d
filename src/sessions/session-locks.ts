/** Reentrant locks by session, for compound operations within this process. */
import { AsyncLocalStorage } from 'node:async_hooks';

import { settlesWithin } from '../core/abort.ts';
import { SessionLockError } from './errors.ts';

const WAIT_LIMIT_MS = 30_000;

/** One piece of work that holds the lock. Code that it leaves running no longer holds the lock. */
interface Holding {
  readonly id: string;
  isOpen: boolean;
}

export class SessionLocks {
  /** The end of the last queued work for each session. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #mine = new AsyncLocalStorage<readonly Holding[]>();

  /** Runs `work` under the lock. Throws {@link SessionLockError} if other work holds the lock for longer than `waitLimitMs`. */
  async with<Value>(id: string, work: () => Promise<Value> | Value, waitLimitMs = WAIT_LIMIT_MS): Promise<Value> {
    const mine = (this.#mine.getStore() ?? []).filter(({ isOpen }) => isOpen);
    if (mine.some((holding) => holding.id === id)) return work();
    const before = this.#tails.get(id) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    // If a caller stops waiting, the queue does not change: callers behind it wait for those before it.
    const tail = before.then(() => done);
    this.#tails.set(id, tail);
    void tail.then(() => this.#tails.get(id) === tail && this.#tails.delete(id));
    const holding: Holding = { id, isOpen: true };
    try {
      if (!(await settlesWithin(before, waitLimitMs))) throw new SessionLockError(id, waitLimitMs);
      return await this.#mine.run([...mine, holding], async () => work());
    } finally {
      holding.isOpen = false;
      release();
    }
  }
}
