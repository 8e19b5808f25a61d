/** The registry's events as they happen, and the progress of what is being worked on, for any number of readers by few questions. */
import { EventEmitter, once } from 'node:events';

import type { StoredRun } from '../model/run.ts';
import type { StoredEvent } from '../registry/registry.ts';
import { Periodic } from '../core/periodic.ts';
import type { RegistryLink } from './registry-link.ts';
import type { Log } from '../core/log.ts';

const POLL_MS = 500;
const PAGE = 200;
const LOOKED = 'looked';
/** A cursor that every event comes after. */
const BEFORE_ALL = -1;

/** What a reader is handed. */
export type FeedItem =
  | { readonly kind: 'event'; readonly event: StoredEvent }
  | { readonly kind: 'progress'; readonly runs: readonly StoredRun[] };

export interface FollowOptions {
  /** The number of the event to begin after. */
  readonly after: number;
  readonly owner?: string | undefined;
  readonly signal: AbortSignal;
}

export class EventFeed {
  readonly #link: RegistryLink;
  readonly #poll: Periodic;
  readonly #looks = new EventEmitter();
  #readers = 0;
  #latestId = 0;
  /** The number of looks that began, and of the last one that succeeded. */
  #begun = 0;
  #seen = 0;
  #runs: readonly StoredRun[] = [];
  #runsText = '';

  constructor(link: RegistryLink, log: Log) {
    this.#link = link;
    this.#looks.setMaxListeners(0);
    // Its failures are known from the registry's health; here they would be one line a second.
    const quiet = { ...log, error: log.debug.bind(log), info: log.debug.bind(log) };
    this.#poll = new Periodic({ name: 'Following events', intervalMs: POLL_MS, log: quiet, work: () => this.#look() });
  }

  get readers(): number {
    return this.#readers;
  }

  /** Ends when the signal aborts. A registry that is down for a while only delays it. */
  async *follow({ after, owner, signal }: FollowOptions): AsyncGenerator<FeedItem> {
    this.#readers += 1;
    this.#poll.start();
    try {
      let cursor = after;
      let shown = '';
      let isPlaced = false;
      // A look that began earlier may not know of the event that the reader begins after.
      const begun = this.#begun;
      while (!signal.aborted) {
        const events = await this.#readAfter(cursor);
        for (const event of events) {
          cursor = event.id;
          if (owner === undefined || event.owner === owner) yield { kind: 'event', event };
        }
        // Large events come in smaller parts.
        if (events.length === PAGE || (events.length > 0 && cursor < this.#latestId)) continue;
        const runs = this.#runs.filter((run) => owner === undefined || run.owner === owner);
        // A reader that has seen progress gets all events from then on.
        if (this.#runsText !== shown && (isPlaced || cursor <= this.#latestId)) {
          shown = this.#runsText;
          yield { kind: 'progress', runs };
        }
        await this.#nextChange(isPlaced ? cursor : BEFORE_ALL, shown, signal);
        // A number of another registry, as after a new beginning: it would wait for very long.
        if (!isPlaced && this.#seen > begun) cursor = Math.min(cursor, this.#latestId);
        isPlaced ||= this.#seen > begun;
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) {
        await this.#poll.stop();
        if (this.#readers === 0) this.#forget();
      }
    }
  }

  /** Nobody looks any more: whoever comes next is told what is then. */
  #forget(): void {
    this.#runs = [];
    this.#runsText = '';
  }

  async #readAfter(cursor: number): Promise<readonly StoredEvent[]> {
    if (this.#latestId <= cursor && this.#latestId > 0) return [];
    try {
      return await this.#link.use(({ events }) => events.listAfter(cursor, { limit: PAGE }));
    } catch {
      // Told by the registry's health; the reader gets it all later.
      return [];
    }
  }

  /** Waits for the next look at least, and until there is something after `cursor`, or other progress than was `shown`. */
  async #nextChange(cursor: number, shown: string, signal: AbortSignal): Promise<void> {
    do {
      // An abort ends the wait, which ends the reader.
      await once(this.#looks, LOOKED, { signal }).catch(() => undefined);
    } while (!signal.aborted && this.#latestId <= cursor && this.#runsText === shown);
  }

  async #look(): Promise<void> {
    const number = (this.#begun += 1);
    try {
      const { latestId, runs } = await this.#link.use(async (registry) => ({
        latestId: await registry.events.latestId(),
        runs: await registry.runs.list({ status: 'processing' }),
      }));
      this.#latestId = latestId;
      this.#seen = number;
      this.#runs = runs;
      this.#runsText = JSON.stringify(runs.map(toVisible));
    } finally {
      this.#looks.emit(LOOKED);
    }
  }
}

/** What of a run changes while it is worked on. */
function toVisible({ id, counts, display, records, lastProgressAt, deaths }: StoredRun): unknown[] {
  return [id, counts, display, records, lastProgressAt, deaths.length];
}
