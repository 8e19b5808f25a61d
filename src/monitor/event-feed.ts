/** The registry's events as they happen, and the progress of what is being worked on, for any number of readers by few questions. */
import { EventEmitter, once } from 'node:events';

import type { StoredEvent, StoredRun } from '../registry/registry.ts';
import { Periodic } from './periodic.ts';
import type { RegistryLink } from './registry-link.ts';
import type { Log } from '../core/log.ts';

const POLL_MS = 500;
const PAGE = 200;
const CHANGE = 'change';

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
  readonly #changes = new EventEmitter();
  #readers = 0;
  #latestId = 0;
  #runs: readonly StoredRun[] = [];
  #runsText = '';

  constructor(link: RegistryLink, log: Log) {
    this.#link = link;
    this.#changes.setMaxListeners(0);
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
      while (!signal.aborted) {
        const events = await this.#readAfter(cursor);
        for (const event of events) {
          cursor = event.id;
          if (owner === undefined || event.owner === owner) yield { kind: 'event', event };
        }
        if (events.length === PAGE) continue;
        const runs = this.#runs.filter((run) => owner === undefined || run.owner === owner);
        if (this.#runsText !== shown) {
          shown = this.#runsText;
          yield { kind: 'progress', runs };
        }
        await this.#nextChange(cursor, shown, signal);
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) await this.#poll.stop();
    }
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

  async #nextChange(cursor: number, shown: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#latestId <= cursor && this.#runsText === shown) {
      // An abort ends the wait, which ends the reader.
      await once(this.#changes, CHANGE, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { latestId, runs } = await this.#link.use(async (registry) => ({
      latestId: await registry.events.latestId(),
      runs: await registry.runs.list({ status: 'processing' }),
    }));
    const text = JSON.stringify(
      runs.map(({ id, counts, display, records, lastProgressAt, deaths }) => [
        id,
        counts,
        display,
        records,
        lastProgressAt,
        deaths.length,
      ]),
    );
    const hasChanged = latestId !== this.#latestId || text !== this.#runsText;
    this.#latestId = latestId;
    this.#runs = runs;
    this.#runsText = text;
    if (hasChanged) this.#changes.emit(CHANGE);
  }
}
