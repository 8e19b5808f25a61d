/** Locks by session, for compound operations within this process; whoever has one may take it again. */
import { AsyncLocalStorage } from 'node:async_hooks';

import { settlesWithin } from '../core/abort.ts';
import { SessionLockError } from './errors.ts';

const WAIT_LIMIT_MS = 30_000;

/** One work that has the lock; code that it left running has it no more. */
interface Holding {
  readonly id: string;
  isOpen: boolean;
}

export class SessionLocks {
  /** The end of the last work that was queued for each session. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #mine = new AsyncLocalStorage<readonly Holding[]>();

  /** Throws {@link SessionLockError} where other work holds the lock for too long. */
  async with<Value>(id: string, work: () => Promise<Value> | Value, waitLimitMs = WAIT_LIMIT_MS): Promise<Value> {
    const mine = (this.#mine.getStore() ?? []).filter(({ isOpen }) => isOpen);
    if (mine.some((holding) => holding.id === id)) return work();
    const before = this.#tails.get(id) ?? Promise.resolve();
    const { promise: done, resolve: release } = Promise.withResolvers<void>();
    // Who gives up waiting leaves the queue as it was: those behind wait for those before.
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
