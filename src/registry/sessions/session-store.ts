/** Reads, labels and removes the rows of sessions. Only `session-leases.ts` decides who holds an owner. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { sql } from 'kysely';

import {
  LIVE_STATUSES,
  SESSION_STATUSES,
  type SessionRow,
  type SessionStatus,
  type StoredSession,
  isLive,
} from '../../model/session.ts';
import { isTime } from '../../model/fields.ts';
import type { Connection, Database } from '../sql/database.ts';
import { appendEvent } from '../log/events.ts';
import { matchesSearch, toPage, type Page, type PageCursor } from '../sql/page.ts';
import { toStorableText } from '../sql/row-id.ts';
import { readSession, toStoredSession } from './session-row.ts';

/** The number of rows that are read and validated at a time. */
const PAGE_ROWS = 200;
/** The length of a time up to its minute. */
const MINUTE_LENGTH = 'YYYY-MM-DDThh:mm'.length;
/** Sorts after all times. */
const END_OF_TIME = '9999';

export interface SessionFilter {
  readonly status?: SessionStatus | readonly SessionStatus[];
  readonly owner?: string;
  /** The id of the run that it works for, or worked for. */
  readonly run?: string;
  /** A part of the id, or the beginning of the owner; upper and lower case are the same. */
  readonly search?: string;
  readonly host?: string;
  /** The maximum number of sessions, newest first; default all. */
  readonly limit?: number;
  /** The position after which the list begins. */
  readonly after?: PageCursor;
}

/** The fields of a session that its users may change. */
export interface SessionPatch {
  readonly label?: string | null;
  /** Plain JSON without secrets. */
  readonly data?: Readonly<Record<string, unknown>> | null;
}

/** Sessions of one status that were created within the same minute. */
export interface SessionGroup {
  readonly status: string;
  readonly number: number;
  /** The creation time of the first session; `newest` is that of the last. */
  readonly oldest: string;
  readonly newest: string;
}

export interface RemoveFilter {
  readonly status: SessionStatus;
  /** Only sessions that ended before this time, or were created before it if they never ended; UTC, ISO 8601. */
  readonly before?: string;
  /** The ids to leave out. */
  readonly except?: readonly string[];
  readonly limit: number;
}

export class SessionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async get(id: string): Promise<StoredSession | undefined> {
    const row = await this.#database.read((db) => findRow(db, id));
    return row === undefined ? undefined : toStoredSession(row);
  }

  /** Lists sessions, newest first. Damaged rows are left out; {@link listDamaged} lists them. */
  async list(filter: SessionFilter = {}): Promise<StoredSession[]> {
    const rows = await this.#rows(filter);
    return rows.map(readSession).filter((session) => session !== undefined);
  }

  /** Lists one page of sessions, newest first. */
  async listPage(filter: SessionFilter & { readonly limit: number }): Promise<Page<StoredSession>> {
    return toPage(await this.#rows(filter), filter.limit, readSession);
  }

  /** Lists the ended sessions that their endpoints may still have, the oldest first. */
  async listUnreleased(limit: number): Promise<StoredSession[]> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .selectAll()
        .where('endpoint', 'is not', null)
        .where('releasedAt', 'is', null)
        .where('webdriverId', 'is not', null)
        .where('endedAt', 'is not', null)
        .orderBy('endedAt')
        .limit(limit)
        .execute(),
    );
    return rows.map(readSession).filter((session) => session !== undefined);
  }

  async listDamaged(): Promise<string[]> {
    const damaged: string[] = [];
    for await (const row of this.#allRows()) if (readSession(row) === undefined) damaged.push(row.id);
    return damaged;
  }

  /**
   * Groups all rows by status and minute of creation. That is enough for statistics, and the groups are few even if there are many rows.
   */
  async listGroups(): Promise<SessionGroup[]> {
    const groups = new Map<string, SessionGroup>();
    for await (const { status, createdAt: at } of this.#allRows()) {
      const key = `${status} ${at.slice(0, MINUTE_LENGTH)}`;
      const { number, oldest, newest } = groups.get(key) ?? { number: 0, oldest: at, newest: at };
      groups.set(key, {
        status,
        number: number + 1,
        oldest: at < oldest ? at : oldest,
        newest: at > newest ? at : newest,
      });
    }
    return [...groups.values()];
  }

  async count(filter: Pick<SessionFilter, 'status' | 'owner'> = {}): Promise<number> {
    const byStatus = await this.countByStatus(filter);
    return Object.values(byStatus).reduce((sum, number) => sum + number, 0);
  }

  async countByStatus({ status, owner }: Pick<SessionFilter, 'status' | 'owner'> = {}): Promise<
    Partial<Record<SessionStatus, number>>
  > {
    if (status?.length === 0) return {};
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .select(['status', (eb) => eb.fn.countAll<number>().as('number')])
        .$if(status !== undefined, (query) => query.where('status', 'in', toList(status)))
        .$if(owner !== undefined, (query) => query.where('owner', '=', owner ?? ''))
        .groupBy('status')
        .execute(),
    );
    return Object.fromEntries(rows.map(({ status: name, number }) => [name, number]));
  }

  /** Returns the number of live sessions of each manager. */
  async countByHolder(): Promise<number[]> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .select((eb) => eb.fn.countAll<number>().as('number'))
        .where('status', 'in', LIVE_STATUSES)
        .groupBy('holder')
        .execute(),
    );
    return rows.map(({ number }) => number);
  }

  /** Changes all given fields in one transaction. Returns the changed session; undefined if there is none. */
  async update(id: string, patch: SessionPatch): Promise<StoredSession | undefined> {
    const { label, data } = patch;
    const columns = {
      ...(label === undefined ? {} : { label: label === null ? null : toStorableText(label) }),
      ...(data === undefined ? {} : { data: data === null ? null : toStorableText(JSON.stringify(data)) }),
    };
    if (Object.keys(columns).length === 0) return this.get(id);
    const row = await this.#database.write((db) =>
      db.updateTable('sessions').set(columns).where('id', '=', id).returningAll().executeTakeFirst(),
    );
    return row === undefined ? undefined : toStoredSession(row);
  }

  /** Stores that the session is used now. */
  async touch(id: string): Promise<StoredSession | undefined> {
    const row = await this.#database.execute((db) =>
      db
        .updateTable('sessions')
        .set({ lastUsedAt: new Date().toISOString() })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : toStoredSession(row);
  }

  /** Removes the row of a session that is over. Returns false if there is none, or if the session is live. */
  async remove(id: string): Promise<boolean> {
    return this.#database.write(async (db) => {
      const row = await findRow(db, id);
      if (row === undefined || isLive(row)) return false;
      await db.deleteFrom('sessions').where('id', '=', id).execute();
      await appendEvent(db, { type: 'session_removed', owner: row.owner, sessionId: id, runId: row.runId });
      return true;
    });
  }

  /** Lists the ids of sessions that are over, oldest first. Live sessions are never among them. */
  async listEndedIds(filter: RemoveFilter): Promise<string[]> {
    if (isLive(filter)) return [];
    const rows = await this.#database.read((db) => selectEnded(db, filter).execute());
    return rows.map(({ id }) => id);
  }

  /** Removes one batch of sessions that are over, or none if one of them can't be removed. Returns their number. */
  async removeEnded(filter: RemoveFilter): Promise<number> {
    if (isLive(filter)) return 0;
    const { numDeletedRows } = await this.#database.execute((db) =>
      db
        .deleteFrom('sessions')
        .where('id', 'in', () => selectEnded(db, filter))
        .executeTakeFirst(),
    );
    return Number(numDeletedRows);
  }

  /** Lists live sessions whose lease expired at least `forMs` ago. */
  async listLapsed({
    limit,
    forMs = 0,
  }: {
    readonly limit: number;
    readonly forMs?: number;
  }): Promise<StoredSession[]> {
    const { dialect } = this.#database;
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .selectAll()
        .where('status', 'in', LIVE_STATUSES)
        .where('leaseExpiresMs', '<', sql<number>`${dialect.nowMs} - cast(${Math.round(forMs)} as bigint)`)
        .orderBy('leaseExpiresMs')
        .limit(limit)
        .execute(),
    );
    return rows.map(readSession).filter((session) => session !== undefined);
  }

  /**
   * Brings a damaged row to a safe state: dead, without an owner's lease, with its readable values. If even that is not possible, the row
   * is removed. Returns the result.
   */
  async recoverDamaged(id: string): Promise<'intact' | 'dead' | 'removed' | 'missing'> {
    return this.#database.write(async (db) => {
      const row = await findRow(db, id);
      if (row === undefined) return 'missing';
      if (readSession(row) !== undefined) return 'intact';
      const safe = toSafeRow(row);
      if (readSession(safe) === undefined) {
        await db.deleteFrom('sessions').where('id', '=', id).execute();
        await appendEvent(db, { type: 'session_removed', sessionId: id, message: 'its row was damaged beyond repair' });
        return 'removed';
      }
      const { id: _id, ...columns } = safe;
      await db.updateTable('sessions').set(columns).where('id', '=', id).execute();
      await appendEvent(db, {
        type: 'session_dead',
        owner: safe.owner,
        sessionId: id,
        status: 'dead',
        message: safe.errorMessage,
      });
      return 'dead';
    });
  }

  /**
   * Reads all rows in pages, because there may be very many, and yields between them. Rows that are added or removed meanwhile may be
   * missing.
   */
  async *#allRows(): AsyncGenerator<SessionRow> {
    for (let after = ''; ; await nextTurn()) {
      const rows = await this.#database.read((db) =>
        db.selectFrom('sessions').selectAll().where('id', '>', after).orderBy('id').limit(PAGE_ROWS).execute(),
      );
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_ROWS) return;
      after = last.id;
    }
  }

  async #rows({ status, owner, run, search, host, limit, after }: SessionFilter): Promise<SessionRow[]> {
    if (status?.length === 0) return [];
    return this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .selectAll()
        .$if(status !== undefined, (query) => query.where('status', 'in', toList(status)))
        .$if(owner !== undefined, (query) => query.where('owner', '=', owner ?? ''))
        .$if(run !== undefined, (query) => query.where('runId', '=', run ?? ''))
        .$if(search !== undefined, (query) =>
          query.where(matchesSearch(search ?? '', { anywhere: 'id', atStart: ['owner'] })),
        )
        .$if(host !== undefined, (query) => query.where('host', '=', host ?? ''))
        .$if(after !== undefined, (query) =>
          query.where((eb) =>
            eb(eb.refTuple('createdAt', 'id'), '<', eb.tuple(after?.createdAt ?? '', after?.id ?? '')),
          ),
        )
        .orderBy('createdAt', 'desc')
        .orderBy('id', 'desc')
        .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
        .execute(),
    );
  }
}

function selectEnded(db: Connection, { status, before = END_OF_TIME, except = [], limit }: RemoveFilter) {
  const endedAt = sql<string>`coalesce(ended_at, created_at)`;
  return db
    .selectFrom('sessions')
    .select('id')
    .where('status', '=', status)
    .where(endedAt, '<', before)
    .$if(except.length > 0, (query) => query.where('id', 'not in', except))
    .orderBy(endedAt)
    .limit(limit);
}

function findRow(db: Connection, id: string): Promise<SessionRow | undefined> {
  return db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
}

function toList(status: SessionFilter['status']): readonly SessionStatus[] {
  if (status === undefined) return SESSION_STATUSES;
  return typeof status === 'string' ? [status] : status;
}

/** Returns the row as that of a dead session. Damaged values are replaced by safe ones. */
function toSafeRow(row: SessionRow): SessionRow {
  const now = new Date().toISOString();
  return {
    ...row,
    status: 'dead',
    token: wholeOr(row.token, 0),
    leaseExpiresMs: 0,
    epoch: wholeOr(row.epoch, 0),
    pid: wholeOr(row.pid, 0),
    driverPid: wholeOr(row.driverPid, null),
    browserPid: wholeOr(row.browserPid, null),
    createdAt: timeOr(row.createdAt, now),
    startedAt: timeOr(row.startedAt, null),
    lastHeartbeatAt: timeOr(row.lastHeartbeatAt, null),
    lastUsedAt: timeOr(row.lastUsedAt, now),
    endedAt: timeOr(row.endedAt, now),
    death: null,
    data: null,
    errorMessage: 'its row was damaged; it was brought to a safe state',
  };
}

function wholeOr<Value>(value: number | null, otherwise: Value): number | Value {
  return Number.isSafeInteger(value) && (value ?? -1) >= 0 ? (value as number) : otherwise;
}

function timeOr<Value>(value: string | null, otherwise: Value): string | Value {
  return isTime(value) ? value : otherwise;
}
