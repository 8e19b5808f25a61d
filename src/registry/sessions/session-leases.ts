/**
 * Who holds an owner: claimed, renewed, handed from a session that died to the next one, given back. The unique index on live sessions is
 * what decides between callers; everything here only asks it.
 */
import { randomUUID } from 'node:crypto';

import { sql, type Updateable } from 'kysely';

import { LIVE_STATUSES, type SessionRow, type SessionStatus, type StoredSession, isLive } from '../../model/session.ts';
import { RegistryError } from '../errors.ts';
import { toNextRow, toRow, type Claim, type ClaimResult, type Renewal, type SessionFacts } from './claim.ts';
import { count } from '../log/counters.ts';
import type { Connection, Database } from '../sql/database.ts';
import type { EventType } from '../log/events.ts';
import { observe } from '../log/histograms.ts';
import {
  closeRuns,
  endOfRun,
  findLive,
  isRapidCreate,
  keepAsSeen,
  lost,
  observeRecovery,
  tell,
  toOwnerLabel,
} from './lease-rows.ts';
import { toStorableText } from '../sql/row-id.ts';
import { readSession, toStoredSession } from './session-row.ts';

export class SessionLeases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Takes the owner if it is free, or if its holder is gone or silent. One transaction: of many callers one wins. */
  async claim(claim: Claim): Promise<ClaimResult> {
    const token = await this.#nextToken();
    return this.#database.write(async (db) => {
      for (;;) {
        const answer = await this.#tryClaim(db, claim, token);
        if (answer !== undefined) return answer;
      }
    });
  }

  /**
   * Resolves if an owner could be claimed now: a claim is made and taken back. Rejects with `RegistryError` if that was not possible within
   * `limitMs`.
   */
  async prove(limitMs: number): Promise<void> {
    const process = { host: 'none', pid: 0, identity: 'none' };
    const id = randomUUID();
    const token = await this.#nextToken(limitMs);
    const undone = new Error('taken back');
    try {
      await this.#database.write(async (db) => {
        await this.#tryClaim(db, { id, owner: id, holder: id, process, leaseMs: 0 }, token);
        throw undone;
      }, limitMs);
    } catch (thrown) {
      if (!(thrown instanceof RegistryError) || thrown.cause !== undone) throw thrown;
    }
  }

  /**
   * Each is greater than all before it, also in a database that was restored from a copy: none is below the time in milliseconds. A statement of
   * its own, so that nobody waits for its row while a transaction is open.
   */
  async #nextToken(patienceMs?: number): Promise<number> {
    const { nowMs } = this.#database.dialect;
    const { rows } = await this.#database.read(
      (db) =>
        sql<{ value: number }>`
        insert into counters (name, label, value) values ('lease_token', '', ${nowMs})
        on conflict (name, label) do update set
          value = case when counters.value < excluded.value then excluded.value else counters.value + 1 end
        returning value`.execute(db),
      patienceMs,
    );
    const [row] = rows;
    if (row === undefined) throw new RegistryError('The registry gave no lease token.');
    return row.value;
  }

  /** Undefined where the owner changed hands between the look and the word. */
  async #tryClaim(db: Connection, claim: Claim, token: number): Promise<ClaimResult | undefined> {
    const nowMs = await this.#now(db);
    const holder = await findLive(db, claim.owner);
    if (holder?.id === claim.id) return { isClaimed: true, session: holder, expired: null, isRapid: false };
    if (holder !== undefined) {
      const leaseLeftMs = holder.leaseExpiresMs - nowMs;
      const { goneIds = [], lapsed } = claim;
      const isSilent = lapsed?.id === holder.id && lapsed.leaseExpiresMs === holder.leaseExpiresMs;
      const isOver = (leaseLeftMs <= 0 && isSilent) || goneIds.includes(holder.id);
      if (!isOver) return { isClaimed: false, heldBy: holder, leaseLeftMs };
      if (!(await this.#expire(db, holder))) return undefined;
    }
    const isRapid = await isRapidCreate(db, claim);
    const inserted = await db
      .insertInto('sessions')
      .values(toRow(claim, { token, epoch: 1, leaseExpiresMs: nowMs + Math.round(claim.leaseMs) }))
      .onConflict((conflict) =>
        conflict
          .column('owner')
          .where(sql<boolean>`status in ('starting', 'active')`)
          .doNothing(),
      )
      .returningAll()
      .executeTakeFirst();
    if (inserted === undefined) return undefined;
    if (isRapid) await count(db, 'rapid_session_creates');
    await tell(db, 'session_starting', inserted, isRapid ? { isRapid } : undefined);
    return { isClaimed: true, session: toStoredSession(inserted), expired: holder ?? null, isRapid };
  }

  /** The session is about to be started in this folder. Rejects with `LeaseLostError` if it is no longer ours. */
  async prepare(id: string, holder: string, folder: string): Promise<void> {
    await this.#database.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('sessions')
        .set({ folder })
        .where('id', '=', id)
        .where('holder', '=', holder)
        .where('status', '=', 'starting')
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw await lost(db, id);
    });
  }

  /** The browser runs. Rejects with `LeaseLostError` where the session is no longer ours. */
  activate(id: string, holder: string, facts: SessionFacts): Promise<StoredSession> {
    const now = new Date().toISOString();
    return this.#change(id, holder, 'session_started', {
      status: 'active',
      webdriverId: facts.webdriverId,
      driverPid: facts.driverPid ?? null,
      browserPid: facts.browserPid ?? null,
      folder: facts.folder ?? null,
      endpoint: facts.endpoint ?? null,
      startedAt: now,
      lastHeartbeatAt: now,
    });
  }

  /**
   * The session died, and its owner is kept for the next one: the same holder, the same token, one transaction, so that nobody comes
   * between. Returns the next session's row, which waits for its browser.
   */
  succeed(
    id: string,
    holder: string,
    { status = 'dead', death, nextId }: { status?: 'dead' | 'ended'; death?: object; nextId: string },
  ): Promise<StoredSession> {
    return this.#database.write(async (db) => {
      // After a lost answer.
      const known = await db.selectFrom('sessions').selectAll().where('id', '=', nextId).executeTakeFirst();
      if (known !== undefined) return toStoredSession(known);
      const dead = await this.#close(db, { id, holder, status, ...(death && { death }) });
      const next = await db
        .insertInto('sessions')
        .values(toNextRow(dead, nextId))
        .returningAll()
        .executeTakeFirstOrThrow();
      return toStoredSession(next);
    });
  }

  /**
   * Gives the owner back. Nothing happens where it was lost already. Of a row that only kept the owner after a death nothing stays: that
   * session never was.
   */
  async release(
    id: string,
    holder: string,
    {
      status,
      death,
      message,
    }: { status: 'ended' | 'dead' | 'expired' | 'timed_out'; death?: object; message?: string },
  ): Promise<void> {
    await this.#database.write(async (db) => {
      const { numDeletedRows } = await db
        .deleteFrom('sessions')
        .where('id', '=', id)
        .where('holder', '=', holder)
        .where('status', '=', 'starting')
        .where('epoch', '>', 1)
        .executeTakeFirst();
      if (numDeletedRows > 0n) return;
      await this.#tryClose(db, {
        id,
        holder,
        status,
        ...(death && { death }),
        ...(message !== undefined && { message }),
      });
    });
  }

  /**
   * Takes a session away from whoever holds it, for a person or a monitor. Its run is halted, and its process learns of it from its lease.
   * Undefined where it was not live. The processes are left to the caller.
   */
  revoke(
    id: string,
    {
      status,
      message,
      leaseExpiresMs,
    }: {
      status: 'ended' | 'expired' | 'timed_out';
      message: string;
      /** Only where it has not been renewed since it was seen with this. */
      leaseExpiresMs?: number;
    },
  ): Promise<StoredSession | undefined> {
    return this.#database.write(async (db) => {
      if (leaseExpiresMs !== undefined && !(await keepAsSeen(db, id, leaseExpiresMs))) return undefined;
      const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined || !isLive(row)) return undefined;
      const closed = await this.#tryClose(db, { id, holder: row.holder, status, message });
      // Its holder gave it back since our look.
      if (closed === undefined) return undefined;
      await closeRuns(db, row.token, message, endOfRun(status));
      return toStoredSession(closed);
    });
  }

  /**
   * Proves that the holder of all these sessions lives: one statement, however many. Returns those that are no longer its own, as they
   * stand now; null for one whose row is gone, or spoilt.
   */
  async renew(
    holder: string,
    renewals: readonly Renewal[],
    leaseMs: number,
  ): Promise<ReadonlyMap<string, StoredSession | null>> {
    if (renewals.length === 0) return new Map();
    const { dialect } = this.#database;
    const json = JSON.stringify(
      renewals.map(({ id, lastHeartbeatAt, lastUsedAt }) => [id, lastHeartbeatAt, lastUsedAt]),
    );
    const { rows } = await this.#database.read((db) =>
      sql<{ id: string }>`
        with held(held_id, heartbeat_at, used_at) as materialized (
          select j.value ->> 0, j.value ->> 1, j.value ->> 2 from ${dialect.jsonRows(json)})
        update sessions set lease_expires_ms = ${dialect.nowMs} + cast(${Math.round(leaseMs)} as bigint),
          last_heartbeat_at = coalesce(held.heartbeat_at, last_heartbeat_at),
          last_used_at = case when last_used_at > held.used_at then last_used_at else held.used_at end
        from held
        where sessions.id = held.held_id and holder = ${holder} and status in ('starting', 'active')
        returning sessions.id`.execute(db),
    );
    const kept = new Set(rows.map(({ id }) => id));
    const lostIds = renewals.map(({ id }) => id).filter((id) => !kept.has(id));
    if (lostIds.length === 0) return new Map();
    const found = await this.#database.read((db) =>
      db.selectFrom('sessions').selectAll().where('id', 'in', lostIds).execute(),
    );
    const byId = new Map(found.map((row) => [row.id, readSession(row)]));
    return new Map(lostIds.map((id) => [id, byId.get(id) ?? null]));
  }

  /** Ends what a vanished, or suspended, holder left. False where it has come back meanwhile. */
  async #expire(db: Connection, session: StoredSession): Promise<boolean> {
    const { id, token, leaseExpiresMs, host, pid } = session;
    const why = `its process (pid ${pid} on ${host}) did not renew its lease; another one took over`;
    const { numUpdatedRows } = await db
      .updateTable('sessions')
      .set({ status: 'expired', endedAt: new Date().toISOString(), errorMessage: why })
      .where('id', '=', id)
      .where('status', 'in', LIVE_STATUSES)
      .where('leaseExpiresMs', '=', leaseExpiresMs)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    await closeRuns(db, token, why);
    await tell(db, 'session_expired', { ...session, status: 'expired', runId: session.runId, errorMessage: why });
    return true;
  }

  #change(id: string, holder: string, type: EventType, columns: Updateable<SessionRow>): Promise<StoredSession> {
    return this.#database.write(async (db) => {
      const row = await db
        .updateTable('sessions')
        .set(columns)
        .where('id', '=', id)
        .where('holder', '=', holder)
        .where('status', 'in', LIVE_STATUSES)
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) throw await lost(db, id);
      await tell(db, type, row);
      if (type === 'session_started') {
        await count(db, 'sessions_created', { label: toOwnerLabel(row) });
        await observeRecovery(db, row);
      }
      return toStoredSession(row);
    });
  }

  async #close(db: Connection, end: SessionClose): Promise<SessionRow> {
    const row = await this.#tryClose(db, end);
    if (row === undefined) throw await lost(db, end.id);
    return row;
  }

  /** Undefined where the session is not the holder's any more. */
  async #tryClose(
    db: Connection,
    { id, holder, status, death, message }: SessionClose,
  ): Promise<SessionRow | undefined> {
    const row = await db
      .updateTable('sessions')
      .set({
        status,
        endedAt: new Date().toISOString(),
        ...(death === undefined ? {} : { death: toStorableText(JSON.stringify(death)) }),
        ...(message === undefined ? {} : { errorMessage: toStorableText(message) }),
      })
      .where('id', '=', id)
      .where('holder', '=', holder)
      .where('status', 'in', LIVE_STATUSES)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return undefined;
    if (death === undefined) {
      await tell(db, status === 'timed_out' ? 'session_timeout' : 'session_ended', row);
    } else {
      const { cause = 'unknown', detectedBy = 'unknown', cancelled, detectedAfterMs } = death as DeathFacts;
      if (typeof detectedAfterMs === 'number') await observe(db, 'session_death_detection', detectedAfterMs);
      await count(db, 'session_deaths', { label: `${cause} ${detectedBy}` });
      for (const [state, by] of Object.entries(cancelled ?? {}))
        if (by > 0) await count(db, 'work_cancelled', { by, label: state });
      const why = row.errorMessage ?? `${cause}, noticed by ${detectedBy}`;
      await tell(db, 'session_dead', { ...row, errorMessage: why }, death);
    }
    return row;
  }

  /** The time by the clock of the database, in milliseconds since 1970. */
  databaseMs(): Promise<number> {
    return this.#database.read((db) => this.#now(db));
  }

  async #now(db: Connection): Promise<number> {
    const { rows } = await sql<{ now: number }>`select ${this.#database.dialect.nowMs} as now`.execute(db);
    return rows[0]?.now ?? Date.now();
  }
}

interface SessionClose {
  readonly id: string;
  readonly holder: string;
  readonly status: SessionStatus;
  readonly death?: object;
  readonly message?: string;
}

interface DeathFacts {
  readonly cause?: string;
  readonly detectedBy?: string;
  readonly detectedAfterMs?: number | null;
  readonly cancelled?: Readonly<Record<string, number>>;
}
