/**
 * Leader election: which of several programs does the work that only one may do. It is a lease and not a lock of the database, because a
 * leader that hangs or is disconnected must lose it.
 */
import { sql } from 'kysely';

import type { Connection, Database } from './sql/database.ts';
import type { LeadersTable } from './sql/tables.ts';

export interface Leader {
  /** Unique per program. */
  readonly holder: string;
  readonly host: string;
  readonly pid: number;
  /** UTC, ISO 8601. */
  readonly since: string;
}

export interface Candidate {
  readonly holder: string;
  readonly process: { readonly host: string; readonly pid: number };
  readonly leaseMs: number;
}

export class Leadership {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Takes the leadership if it is free, or renews it. It is free if its leader did not renew it for the lease. Returns the current leader.
   */
  acquire(name: string, { holder, process, leaseMs }: Candidate): Promise<Leader> {
    const { dialect } = this.#database;
    const expires = sql<number>`${dialect.nowMs} + cast(${Math.round(leaseMs)} as bigint)`;
    const since = new Date().toISOString();
    return this.#database.write(async (db) => {
      await db
        .insertInto('leaders')
        .values({ office: name, holder, host: process.host, pid: process.pid, since, expiresMs: expires })
        .onConflict((conflict) =>
          conflict
            .column('office')
            .doUpdateSet({
              holder,
              host: process.host,
              pid: process.pid,
              since: sql`case when leaders.holder = ${holder} then leaders.since else ${since} end`,
              expiresMs: expires,
            })
            .where((eb) =>
              eb.or([eb('leaders.holder', '=', holder), eb('leaders.expiresMs', '<', sql<number>`${dialect.nowMs}`)]),
            ),
        )
        .execute();
      const leader = await find(db, name);
      return toLeader(leader);
    });
  }

  /** Gives the leadership up. Does nothing if another program has it. */
  async release(name: string, holder: string): Promise<void> {
    await this.#database.write((db) =>
      db.deleteFrom('leaders').where('office', '=', name).where('holder', '=', holder).execute(),
    );
  }

  /** Returns the leader; undefined if there is none, or if its lease has expired. */
  async current(name: string): Promise<Leader | undefined> {
    const { dialect } = this.#database;
    const row = await this.#database.read((db) =>
      db
        .selectFrom('leaders')
        .selectAll()
        .where('office', '=', name)
        .where('expiresMs', '>=', sql<number>`${dialect.nowMs}`)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : toLeader(row);
  }
}

function find(db: Connection, name: string): Promise<LeadersTable> {
  return db.selectFrom('leaders').selectAll().where('office', '=', name).executeTakeFirstOrThrow();
}

function toLeader({ holder, host, pid, since }: LeadersTable): Leader {
  return { holder, host, pid, since };
}
