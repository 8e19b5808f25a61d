/** Pulls items out of an asynchronous iterable, one at a time, and only when one is needed. */
import { raceSignal } from '../../core/abort.ts';

export interface PullOptions<Item> {
  readonly signal: AbortSignal;
  /** Returns undefined if an item is needed at once. Called again after each wait. */
  readonly waitForNeed: () => Promise<void> | undefined;
  /** Called with each item. An error that it throws ends the pulling. */
  readonly onItem: (item: Item) => void;
}

/**
 * Resolves at the end of `items`. Rejects with the error of the iterable or of `onItem`, or when `signal` aborts. In the last two cases the
 * iterator is closed.
 */
export async function pullItems<Item>(items: AsyncIterable<Item>, options: PullOptions<Item>): Promise<void> {
  const { signal, waitForNeed, onItem } = options;
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      for (let need = waitForNeed(); need !== undefined; need = waitForNeed()) await need;
      signal.throwIfAborted();
      const next = await raceSignal(iterator.next(), signal);
      if (next.done === true) return;
      onItem(next.value);
    }
  } catch (thrown) {
    // The promise is not awaited, because a generator that is busy closes only after its current step, which may never end.
    iterator.return?.().catch(() => undefined);
    throw thrown;
  }
}
