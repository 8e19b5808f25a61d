/** Counts the work in progress on one session, so that its death can report how much work it ended. */
import type { Disposer } from '../core/events.ts';

/** The counts of one group of work (a batch). */
export interface WorkCounts {
  readonly queued: number;
  readonly running: number;
}

export class WorkLedger {
  readonly #groups = new Set<() => WorkCounts>();
  #calls = 0;

  /** Adds a batch. `counts` is called until the disposer is called. */
  addGroup(counts: () => WorkCounts): Disposer {
    this.#groups.add(counts);
    return () => void this.#groups.delete(counts);
  }

  /** Counts an API call outside of batches until the disposer is called. */
  beginCall(): Disposer {
    this.#calls += 1;
    let open = true;
    return () => {
      if (open) this.#calls -= 1;
      open = false;
    };
  }

  /**
   * Returns the counts. `commands` is the number of WebDriver commands in flight. Commands inside of batches belong to items that are
   * counted already.
   */
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
