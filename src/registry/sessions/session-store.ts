/** Sessions as rows: looked at, described, cleaned. Who holds an owner is decided in `session-leases.ts` alone. */
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
import { toPage, type Page, type PageCursor } from '../sql/page.ts';
import { toStorableText } from '../sql/row-id.ts';
import { readSession, toStoredSession } from './session-row.ts';

/** Rows that are read and checked at a time. */
const PAGE = 200;
/** Letters of a time up to its minute. */
const MINUTE = 'YYYY-MM-DDThh:mm'.length;
/** Behind all times. */
const END_OF_TIME = '9999';

export interface SessionFilter {
  readonly status?: SessionStatus | readonly SessionStatus[];
  readonly owner?: string;
  readonly host?: string;
  /** Newest first; default all. */
  readonly limit?: number;
  /** Those older than this one. */
  readonly after?: PageCursor;
}

/** What may be written about a session by those who use it. */
export interface SessionPatch {
  readonly label?: string | null;
  /** Plain JSON, nothing secret. */
  readonly data?: Readonly<Record<string, unknown>> | null;
}

/** Sessions of one status that were created within the same minute. */
export interface SessionGroup {
  readonly status: string;
  readonly number: number;
  /** When the first and the last of them were created. */
  readonly oldest: string;
  readonly newest: string;
}

export interface RemoveFilter {
  readonly status: SessionStatus;
  /** UTC, ISO 8601: only those that ended, or were begun if they never ended, before it. */
  readonly before?: string;
  /** Ids to leave out. */
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

  /** Newest first. Damaged rows are left out; {@link listDamaged} names them. */
  async list(filter: SessionFilter = {}): Promise<StoredSession[]> {
    const rows = await this.#rows(filter);
    return rows.map(readSession).filter((session) => session !== undefined);
  }

  /** The same in parts. */
  async listPage(filter: SessionFilter & { readonly limit: number }): Promise<Page<StoredSession>> {
    return toPage(await this.#rows(filter), filter.limit, readSession);
  }

  async listDamaged(): Promise<string[]> {
    const damaged: string[] = [];
    for await (const row of this.#allRows()) if (readSession(row) === undefined) damaged.push(row.id);
    return damaged;
  }

  /** Of all rows, by status and the minute of their creation: enough for statistics, and few however many rows there are. */
  async listGroups(): Promise<SessionGroup[]> {
    const groups = new Map<string, SessionGroup>();
    for await (const { status, createdAt: at } of this.#allRows()) {
      const key = `${status} ${at.slice(0, MINUTE)}`;
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

  /** How many live sessions each manager has. */
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

  /** Several fields at once, or none. Returns the session as it is then; undefined where there is none. */
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

  /** It was looked at, or worked with. */
  async touch(id: string): Promise<StoredSession | undefined> {
    const row = await this.#database.read((db) =>
      db
        .updateTable('sessions')
        .set({ lastUsedAt: new Date().toISOString() })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : toStoredSession(row);
  }

  /** Removes an ended session's row. False where there is none, or its lease is live. */
  async remove(id: string): Promise<boolean> {
    return this.#database.write(async (db) => {
      const row = await findRow(db, id);
      if (row === undefined || isLive(row)) return false;
      await db.deleteFrom('sessions').where('id', '=', id).execute();
      await appendEvent(db, { type: 'session_removed', owner: row.owner, sessionId: id, runId: row.runId });
      return true;
    });
  }

  /** Ids of sessions that are over, the oldest first. Those that hold their owner are never among them. */
  async listEndedIds(filter: RemoveFilter): Promise<string[]> {
    if (isLive(filter)) return [];
    const rows = await this.#database.read((db) => selectEnded(db, filter).execute());
    return rows.map(({ id }) => id);
  }

  /** Removes one batch of them, or none where one of them can't be removed; returns how many. */
  async removeEnded(filter: RemoveFilter): Promise<number> {
    if (isLive(filter)) return 0;
    // One statement needs no transaction around it.
    const { numDeletedRows } = await this.#database.read((db) =>
      db
        .deleteFrom('sessions')
        .where('id', 'in', () => selectEnded(db, filter))
        .executeTakeFirst(),
    );
    return Number(numDeletedRows);
  }

  /** Live sessions whose lease ran out at least `forMs` ago: nobody renews them. */
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
   * Brings a damaged row to a safe state: dead, holding nobody, with what of it is readable; removed where not even that can be kept.
   * Returns what became of it.
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

  /** In pages: there may be very many, and others get their turn. Those that come or go meanwhile may be among them or not. */
  async *#allRows(): AsyncGenerator<SessionRow> {
    for (let after = ''; ; await nextTurn()) {
      const rows = await this.#database.read((db) =>
        db.selectFrom('sessions').selectAll().where('id', '>', after).orderBy('id').limit(PAGE).execute(),
      );
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = last.id;
    }
  }

  async #rows({ status, owner, host, limit, after }: SessionFilter): Promise<SessionRow[]> {
    if (status?.length === 0) return [];
    return this.#database.read((db) =>
      db
        .selectFrom('sessions')
        .selectAll()
        .$if(status !== undefined, (query) => query.where('status', 'in', toList(status)))
        .$if(owner !== undefined, (query) => query.where('owner', '=', owner ?? ''))
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

/** Keeps what can be kept; what can't is emptied. */
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
