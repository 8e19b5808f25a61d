/**
 * The leases of owners: they are claimed, renewed, passed from a dead session to the next one, and released. The unique index on live
 * sessions decides between concurrent callers.
 */
import { randomUUID } from 'node:crypto';

import { sql, type Updateable } from 'kysely';

import type { Diagnosis } from '../../model/death.ts';
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
  lockIfNotRenewed,
  makeLeaseLostError,
  observeRecovery,
  appendSessionEvent,
  toOwnerLabel,
} from './lease-rows.ts';
import { toStorableText } from '../sql/row-id.ts';
import { readSession, toStoredSession } from './session-row.ts';

export class SessionLeases {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Takes the owner if it is free, or if its holder is gone or silent. It is one transaction, so only one of several callers succeeds. */
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
   * Resolves if an owner could be claimed now. It makes a claim and rolls it back. Rejects with `RegistryError` if that was not possible
   * within `limitMs`.
   */
  async prove(limitMs: number): Promise<void> {
    const process = { host: 'none', pid: 0, identity: 'none' };
    const id = randomUUID();
    const token = await this.#nextToken(limitMs);
    const undone = new Error('rolled back on purpose');
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
   * Returns the next lease token. Each is greater than all before it, even in a database that was restored from a copy, because none is
   * below the time in milliseconds. It is a separate statement, so that no caller waits for the row during another's transaction.
   */
  async #nextToken(retryLimitMs?: number): Promise<number> {
    const { nowMs } = this.#database.dialect;
    const { rows } = await this.#database.execute(
      (db) =>
        sql<{ value: number }>`
        insert into counters (name, label, value) values ('lease_token', '', ${nowMs})
        on conflict (name, label) do update set
          value = case when counters.value < excluded.value then excluded.value else counters.value + 1 end
        returning value`.execute(db),
      retryLimitMs,
    );
    const [row] = rows;
    if (row === undefined) throw new RegistryError('The registry returned no lease token.');
    return row.value;
  }

  /** Tries once to claim. Returns undefined if the owner's session changed between the query and the insert. */
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
    await appendSessionEvent(db, 'session_starting', inserted, isRapid ? { isRapid } : undefined);
    return { isClaimed: true, session: toStoredSession(inserted), expired: holder ?? null, isRapid };
  }

  /**
   * Stores the folder in which the session is about to be started. Rejects with `LeaseLostError` if the session is no longer the holder's.
   */
  async prepare(id: string, holder: string, folder: string): Promise<void> {
    await this.#database.write(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('sessions')
        .set({ folder })
        .where('id', '=', id)
        .where('holder', '=', holder)
        .where('status', '=', 'starting')
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw await makeLeaseLostError(db, id);
    });
  }

  /** Stores that the browser runs. Rejects with `LeaseLostError` if the session is no longer the holder's. */
  activate(id: string, holder: string, facts: SessionFacts): Promise<StoredSession> {
    const now = new Date().toISOString();
    return this.#change(id, holder, 'session_started', {
      status: 'active',
      webdriverId: facts.webdriverId,
      driverPid: facts.driverPid ?? null,
      browserPid: facts.browserPid ?? null,
      folder: facts.folder ?? null,
      endpoint: facts.endpoint ?? null,
      liveView: facts.liveView ?? null,
      startedAt: now,
      lastHeartbeatAt: now,
    });
  }

  /**
   * Ends a session that died and passes its owner to the next one with the same holder and the same token. It is one transaction, so that
   * no other process can claim the owner. Returns the next session, whose browser is not started yet.
   */
  succeed(
    id: string,
    holder: string,
    {
      status = 'dead',
      nextId,
      ...why
    }: { status?: 'dead' | 'ended'; death?: object; message?: string; nextId: string },
  ): Promise<StoredSession> {
    return this.#database.write(async (db) => {
      // It exists if the answer to an earlier call was lost.
      const known = await db.selectFrom('sessions').selectAll().where('id', '=', nextId).executeTakeFirst();
      if (known !== undefined) return toStoredSession(known);
      const dead = await this.#close(db, { id, holder, status, ...why });
      const next = await db
        .insertInto('sessions')
        .values(toNextRow(dead, nextId))
        .returningAll()
        .executeTakeFirstOrThrow();
      return toStoredSession(next);
    });
  }

  /**
   * Releases the owner. Does nothing if the session was already lost. A row that only reserved the owner after a death is deleted, because
   * that session never started.
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

  /** Stores that the endpoint of a session no longer has it. */
  async markReleased(webdriverId: string): Promise<void> {
    await this.#database.write((db) =>
      db
        .updateTable('sessions')
        .set({ releasedAt: new Date().toISOString() })
        .where('webdriverId', '=', webdriverId)
        .where('endpoint', 'is not', null)
        .where('releasedAt', 'is', null)
        .execute(),
    );
  }

  /**
   * Takes a session away from its holder, for the user or a monitor. Its run is halted, and its process detects that by its lease.
   * Returns undefined if the session was not live. The caller must end the processes.
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
      /** Revokes only if the lease still expires at this time, so it was not renewed. */
      leaseExpiresMs?: number;
    },
  ): Promise<StoredSession | undefined> {
    return this.#database.write(async (db) => {
      if (leaseExpiresMs !== undefined && !(await lockIfNotRenewed(db, id, leaseExpiresMs))) return undefined;
      const row = await db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined || !isLive(row)) return undefined;
      const closed = await this.#tryClose(db, { id, holder: row.holder, status, message });
      // Its holder has released it since the query.
      if (closed === undefined) return undefined;
      await closeRuns(db, row.token, message, endOfRun(status));
      return toStoredSession(closed);
    });
  }

  /**
   * Renews the leases of all these sessions by one statement. Returns those that the holder has lost, as they are now; null for a session
   * whose row is gone or damaged.
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
    const { rows } = await this.#database.execute((db) =>
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
    const renewed = new Set(rows.map(({ id }) => id));
    const lostIds = renewals.map(({ id }) => id).filter((id) => !renewed.has(id));
    if (lostIds.length === 0) return new Map();
    const found = await this.#database.read((db) =>
      db.selectFrom('sessions').selectAll().where('id', 'in', lostIds).execute(),
    );
    const byId = new Map(found.map((row) => [row.id, readSession(row)]));
    return new Map(lostIds.map((id) => [id, byId.get(id) ?? null]));
  }

  /** Ends the session of a holder that vanished or is suspended. Returns false if the holder has renewed its lease since. */
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
    await appendSessionEvent(db, 'session_expired', {
      ...session,
      status: 'expired',
      runId: session.runId,
      errorMessage: why,
    });
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
      if (row === undefined) throw await makeLeaseLostError(db, id);
      await appendSessionEvent(db, type, row);
      if (type === 'session_started') {
        await count(db, 'sessions_created', { label: toOwnerLabel(row) });
        await observeRecovery(db, row);
      }
      return toStoredSession(row);
    });
  }

  async #close(db: Connection, end: SessionClose): Promise<SessionRow> {
    const row = await this.#tryClose(db, end);
    if (row === undefined) throw await makeLeaseLostError(db, end.id);
    return row;
  }

  /** Ends the session. Returns undefined if it is no longer the holder's. */
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
      await appendSessionEvent(db, status === 'timed_out' ? 'session_timeout' : 'session_ended', row);
    } else {
      const { cause = 'unknown', detectedBy = 'unknown', diagnosis, cancelled, detectedAfterMs } = death as DeathFacts;
      if (typeof detectedAfterMs === 'number') await observe(db, 'session_death_detection', detectedAfterMs);
      const reason = diagnosis?.reason ?? 'unknown';
      await count(db, 'session_deaths', { label: `${cause} ${detectedBy} ${reason}` });
      for (const [state, by] of Object.entries(cancelled ?? {}))
        if (by > 0) await count(db, 'work_cancelled', { by, label: state });
      const named = reason === 'unknown' ? cause : `${cause} (${reason})`;
      const why = row.errorMessage ?? `${named}, noticed by ${detectedBy}`;
      await appendSessionEvent(db, 'session_dead', { ...row, errorMessage: why }, death);
    }
    return row;
  }

  /** Returns the time of the database in milliseconds since 1970. */
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
  readonly diagnosis?: Pick<Diagnosis, 'reason'>;
  readonly detectedAfterMs?: number | null;
  readonly cancelled?: Readonly<Record<string, number>>;
}
