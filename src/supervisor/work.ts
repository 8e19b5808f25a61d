/** What is under way on one session: the numbers behind "how much did its death end", kept as work comes and goes. */
import type { Disposer } from '../core/events.ts';

/** How one group of work (a batch) stands. */
export interface WorkCounts {
  readonly queued: number;
  readonly running: number;
}

export class WorkLedger {
  readonly #groups = new Set<() => WorkCounts>();
  #calls = 0;

  /** A batch that is asked for its counts until the disposer is called. */
  addGroup(counts: () => WorkCounts): Disposer {
    this.#groups.add(counts);
    return () => void this.#groups.delete(counts);
  }

  /** An API call outside of batches; the disposer ends it. */
  beginCall(): Disposer {
    this.#calls += 1;
    let open = true;
    return () => {
      if (open) this.#calls -= 1;
      open = false;
    };
  }

  /** `commands` is the number of WebDriver commands in flight; inside of batches they belong to an item that is counted already. */
  count(commands: number): WorkCounts {
    let queued = 0;
    let items = 0;
    for (const counts of this.#groups) {
      const group = counts();
      queued += group.queued;
      items += group.running;
    }
    return { queued, running: items + this.#calls + (items === 0 ? commands : 0) };
  }
}
