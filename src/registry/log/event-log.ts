/** Reads the audit trail in the order in which it was written, without duplicates or gaps. */
import type { Selectable, SelectQueryBuilder } from 'kysely';

import type { StoredRun } from '../../model/run.ts';
import type { Connection, Database } from '../sql/database.ts';
import { countFitting, type Page, type PageCursor } from '../sql/page.ts';
import { appendEvent, type EventType, type NewEvent } from './events.ts';
import type { EventsTable, Tables } from '../sql/tables.ts';

type EventRow = Selectable<EventsTable>;

/** The time for which a reader waits for a missing event number. The event of a transaction that takes longer is missed. */
const GAP_WAIT_LIMIT_MS = 3_000;
/** The number of newest events that may include unfinished transactions. It is more than simultaneous transactions can write. */
const MAX_UNSETTLED_EVENTS = 200;

/** One line of the audit trail. */
export interface StoredEvent {
  /** Grows with each event; a number may be missing. */
  readonly id: number;
  /** UTC, ISO 8601. */
  readonly at: string;
  readonly type: EventType;
  readonly owner: string | null;
  readonly sessionId: string | null;
  readonly runId: string | null;
  readonly status: string | null;
  readonly message: string | null;
  readonly data: Readonly<Record<string, unknown>> | null;
}

/** Sessions of a run may end so long after it. */
const LAST_EVENTS_MS = 3_600_000;
/** Behind all times. */
const END_OF_TIME = '9999';

export interface EventFilter {
  readonly types?: readonly EventType[];
  readonly owner?: string;
  /** The time of the oldest event; UTC, ISO 8601. */
  readonly since?: string;
}

export class EventLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  append(event: NewEvent): Promise<void> {
    return this.#database.write((db) => appendEvent(db, event));
  }

  /**
   * Lists the events after `after`, oldest first: at most `limit`, and no more than fit into one page. PostgreSQL assigns numbers before
   * transactions end. If a number is missing and the next event is recent, that event and those after it are left for the next call.
   */
  async listAfter(after: number, { limit }: { readonly limit: number }): Promise<StoredEvent[]> {
    const rows = await this.#readPage(limit, (db) => db.selectFrom('events').where('id', '>', after).orderBy('id'));
    return (this.#database.dialect.numbersInOrder ? rows : untilGap(rows, after)).map(toStoredEvent);
  }

  /** Lists the newest matching events, oldest first: at most `limit`, and no more than fit into one page. */
  async listLatest({ limit, owner, types, since }: EventFilter & { readonly limit: number }): Promise<StoredEvent[]> {
    const rows = await this.#readPage(limit, (db) =>
      db
        .selectFrom('events')
        .$if(owner !== undefined, (query) => query.where('owner', '=', owner ?? ''))
        .$if(types !== undefined, (query) => query.where('type', 'in', types ?? []))
        .$if(since !== undefined, (query) => query.where('at', '>=', since ?? ''))
        .orderBy('id', 'desc'),
    );
    return rows.reverse().map(toStoredEvent);
  }

  /** A page of a run's events, the newest first. A cursor that no page gave begins at the beginning. */
  async listOfRun(
    { id, createdAt, endedAt }: Pick<StoredRun, 'id' | 'createdAt' | 'endedAt'>,
    { limit, after }: { readonly limit: number; readonly after?: PageCursor },
  ): Promise<Page<StoredEvent>> {
    // The index is on times: only those of the run's life are looked at.
    const until = endedAt === null ? END_OF_TIME : new Date(Date.parse(endedAt) + LAST_EVENTS_MS).toISOString();
    const cursor = /^\d{1,15}$/.test(after?.id ?? '') ? after : undefined;
    const rows = await this.#readPage(limit, (db) =>
      db
        .selectFrom('events')
        .where('runId', '=', id)
        .where('at', '>=', createdAt)
        .where('at', '<=', until)
        .$if(cursor !== undefined, (query) =>
          query.where((eb) => eb(eb.refTuple('at', 'id'), '<', eb.tuple(cursor?.createdAt ?? '', Number(cursor?.id)))),
        )
        .orderBy('at', 'desc')
        .orderBy('id', 'desc'),
    );
    const last = rows.length < limit ? undefined : rows.at(-1);
    return {
      rows: rows.map(toStoredEvent),
      last: last === undefined ? null : { createdAt: last.at, id: String(last.id) },
    };
  }

  async #readPage(limit: number, select: (db: Connection) => SelectQueryBuilder<Tables, 'events', object>) {
    const sizes = await this.#database.read((db) =>
      select(db)
        .select((eb) => [
          eb.fn<number | null>('octet_length', ['message']).as('message'),
          eb.fn<number | null>('octet_length', ['data']).as('data'),
        ])
        .limit(limit)
        .execute(),
    );
    const count = countFitting(sizes.map(({ message, data }) => (message ?? 0) + (data ?? 0)));
    return this.#database.read((db) => select(db).selectAll().limit(count).execute());
  }

  /** Counts the events of each type from `from` until before `to`. Types without events are left out. */
  async countByType({
    types,
    from,
    to,
  }: {
    readonly types: readonly EventType[];
    /** UTC, ISO 8601. */
    readonly from: string;
    readonly to: string;
  }): Promise<Partial<Record<EventType, number>>> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('events')
        .select(['type', (eb) => eb.fn.countAll<number>().as('number')])
        .where('type', 'in', types)
        .where('at', '>=', from)
        .where('at', '<', to)
        .groupBy('type')
        .execute(),
    );
    return Object.fromEntries(rows.map(({ type, number }) => [type, number]));
  }

  /** Returns the number of the newest event; 0 if there is none. */
  async latestId(): Promise<number> {
    const row = await this.#database.read((db) =>
      db
        .selectFrom('events')
        .select((eb) => eb.fn.max('id').as('id'))
        .executeTakeFirst(),
    );
    return row?.id ?? 0;
  }

  /** Returns the number of the newest event before which no further event can appear. A reader that follows the log begins after it. */
  async settledId(): Promise<number> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('events').select(['id', 'at']).orderBy('id', 'desc').limit(MAX_UNSETTLED_EVENTS).execute(),
    );
    const [oldest, ...rest] = rows.reverse();
    if (oldest === undefined) return 0;
    const settled = this.#database.dialect.numbersInOrder ? rest : untilGap(rest, oldest.id);
    return settled.at(-1)?.id ?? oldest.id;
  }

  /** Removes one batch of events from before `before`. Returns their number. */
  async removeBefore(before: string, { limit }: { readonly limit: number }): Promise<number> {
    const { numDeletedRows } = await this.#database.write((db) =>
      db
        .deleteFrom('events')
        .where('id', 'in', (eb) =>
          eb.selectFrom('events').select('id').where('at', '<', before).orderBy('at').limit(limit),
        )
        .executeTakeFirst(),
    );
    return Number(numDeletedRows);
  }
}

function untilGap<Row extends Pick<EventRow, 'id' | 'at'>>(rows: readonly Row[], after: number): readonly Row[] {
  let last = after;
  for (const [index, { id, at }] of rows.entries()) {
    if (id !== last + 1 && Date.now() - Date.parse(at) < GAP_WAIT_LIMIT_MS) return rows.slice(0, index);
    last = id;
  }
  return rows;
}

function toStoredEvent(row: EventRow): StoredEvent {
  return {
    id: row.id,
    at: row.at,
    type: row.type as EventType,
    owner: row.owner,
    sessionId: row.sessionId,
    runId: row.runId,
    status: row.status,
    message: row.message,
    data: row.data === null ? null : toData(row.data),
  };
}

function toData(json: string): Record<string, unknown> | null {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    // The data are damaged; the rest of the event is still right.
    return null;
  }
}
