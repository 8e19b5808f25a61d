/** Streams the registry's events and the progress of its runs to any number of readers. One poll of the registry serves all of them. */
import { EventEmitter, once } from 'node:events';

import type { StoredRun } from '../model/run.ts';
import type { StoredEvent } from '../registry/registry.ts';
import { Periodic } from '../core/periodic.ts';
import type { RegistryLink } from './registry-link.ts';
import type { Log } from '../core/log.ts';

const POLL_MS = 500;
const MAX_PAGE_EVENTS = 200;
const POLLED = 'polled';
/** The cursor before all events. */
const FIRST_CURSOR = -1;

/** One item of a reader's stream. */
export type FeedItem =
  | { readonly kind: 'event'; readonly event: StoredEvent }
  | { readonly kind: 'progress'; readonly runs: readonly StoredRun[] };

export interface FollowOptions {
  /** The id of the event after which the stream begins. */
  readonly after: number;
  readonly owner?: string | undefined;
  readonly signal: AbortSignal;
}

export class EventFeed {
  readonly #link: RegistryLink;
  readonly #poll: Periodic;
  readonly #polls = new EventEmitter();
  #readers = 0;
  #latestId = 0;
  /** The number of polls that began, and the number of the last one that succeeded. */
  #pollsBegun = 0;
  #lastPolled = 0;
  #runs: readonly StoredRun[] = [];
  #runsText = '';

  constructor(link: RegistryLink, log: Log) {
    this.#link = link;
    this.#polls.setMaxListeners(0);
    // The registry's health reports failures of the poll. In the log they would be one line a second.
    const quiet = { ...log, error: log.debug.bind(log), info: log.debug.bind(log) };
    this.#poll = new Periodic({
      name: 'Following events',
      intervalMs: POLL_MS,
      log: quiet,
      work: () => this.#readChanges(),
    });
  }

  get readers(): number {
    return this.#readers;
  }

  /** Yields items until the signal aborts. If the registry is down for a while, items only come later. */
  async *follow({ after, owner, signal }: FollowOptions): AsyncGenerator<FeedItem> {
    this.#readers += 1;
    this.#poll.start();
    try {
      let cursor = after;
      let shown = '';
      let isCursorChecked = false;
      // A poll that began earlier may not have seen the event after which the reader begins.
      const begun = this.#pollsBegun;
      while (!signal.aborted) {
        const events = await this.#readAfter(cursor);
        for (const event of events) {
          cursor = event.id;
          if (owner === undefined || event.owner === owner) yield { kind: 'event', event };
        }
        // The registry returns fewer events at a time if they are large.
        if (events.length === MAX_PAGE_EVENTS || (events.length > 0 && cursor < this.#latestId)) continue;
        const runs = this.#runs.filter((run) => owner === undefined || run.owner === owner);
        // From its first progress on, a reader gets all events.
        if (this.#runsText !== shown && (isCursorChecked || cursor <= this.#latestId)) {
          shown = this.#runsText;
          yield { kind: 'progress', runs };
        }
        await this.#nextChange(isCursorChecked ? cursor : FIRST_CURSOR, shown, signal);
        // The id may come from an earlier registry and exceed all ids of this one. The reader would then wait for very long.
        if (!isCursorChecked && this.#lastPolled > begun) cursor = Math.min(cursor, this.#latestId);
        isCursorChecked ||= this.#lastPolled > begun;
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) {
        await this.#poll.stop();
        if (this.#readers === 0) this.#forget();
      }
    }
  }

  /** Forgets the runs when the last reader leaves. The next reader gets the state of a new poll. */
  #forget(): void {
    this.#runs = [];
    this.#runsText = '';
  }

  async #readAfter(cursor: number): Promise<readonly StoredEvent[]> {
    if (this.#latestId <= cursor && this.#latestId > 0) return [];
    try {
      return await this.#link.use(({ events }) => events.listAfter(cursor, { limit: MAX_PAGE_EVENTS }));
    } catch {
      // The registry's health reports the failure. The reader gets all events later.
      return [];
    }
  }

  /** Waits for at least one poll, and until there is an event after `cursor` or other progress than `shown`. */
  async #nextChange(cursor: number, shown: string, signal: AbortSignal): Promise<void> {
    do {
      // An abort ends the wait, which ends the reader.
      await once(this.#polls, POLLED, { signal }).catch(() => undefined);
    } while (!signal.aborted && this.#latestId <= cursor && this.#runsText === shown);
  }

  async #readChanges(): Promise<void> {
    const number = (this.#pollsBegun += 1);
    try {
      const { latestId, runs } = await this.#link.use(async (registry) => ({
        latestId: await registry.events.latestId(),
        runs: await registry.runs.list({ status: 'processing' }),
      }));
      this.#latestId = latestId;
      this.#lastPolled = number;
      this.#runs = runs;
      this.#runsText = JSON.stringify(runs.map(toVisible));
    } finally {
      this.#polls.emit(POLLED);
    }
  }
}

/** Returns the fields of a run that change while it runs. */
function toVisible({ id, counts, display, records, lastProgressAt, deaths }: StoredRun): unknown[] {
  return [id, counts, display, records, lastProgressAt, deaths.length];
}
