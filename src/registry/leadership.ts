/** Who of many does what only one may do. A lease, and no lock of the database's: one that hangs or is cut off must lose it. */
import { sql } from 'kysely';

import type { Connection, Database } from './sql/database.ts';
import type { LeadersTable } from './sql/tables.ts';

/** The office of the one monitor that does the work. */
export const MONITOR_LEADERSHIP = 'monitor';

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

  /** Takes the office, or keeps it; it is free once its holder has not done so for the lease. Returns who has it then. */
  acquire(office: string, { holder, process, leaseMs }: Candidate): Promise<Leader> {
    const { dialect } = this.#database;
    const expires = sql<number>`${dialect.nowMs} + cast(${Math.round(leaseMs)} as bigint)`;
    const since = new Date().toISOString();
    return this.#database.write(async (db) => {
      await db
        .insertInto('leaders')
        .values({ office, holder, host: process.host, pid: process.pid, since, expiresMs: expires })
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
      const leader = await find(db, office);
      return toLeader(leader);
    });
  }

  /** Gives the office back; nothing where somebody else has it. */
  async release(office: string, holder: string): Promise<void> {
    await this.#database.write((db) =>
      db.deleteFrom('leaders').where('office', '=', office).where('holder', '=', holder).execute(),
    );
  }

  /** Undefined where nobody has it, or whoever had it did not keep it. */
  async current(office: string): Promise<Leader | undefined> {
    const { dialect } = this.#database;
    const row = await this.#database.read((db) =>
      db
        .selectFrom('leaders')
        .selectAll()
        .where('office', '=', office)
        .where('expiresMs', '>=', sql<number>`${dialect.nowMs}`)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : toLeader(row);
  }
}

function find(db: Connection, office: string): Promise<LeadersTable> {
  return db.selectFrom('leaders').selectAll().where('office', '=', office).executeTakeFirstOrThrow();
}

function toLeader({ holder, host, pid, since }: LeadersTable): Leader {
  return { holder, host, pid, since };
}
