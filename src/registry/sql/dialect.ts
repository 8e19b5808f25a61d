/** What differs between the databases, as a value; everything else of this room is written once. */
import type { Dialect, Kysely, RawBuilder } from 'kysely';

import type { Tables } from './tables.ts';

export interface RegistryDialect {
  readonly name: 'sqlite' | 'postgres';
  /** For messages: without a password. */
  readonly place: string;
  readonly kysely: Dialect;
  /** The database's clock in milliseconds since 1970: leases of many machines are compared by one clock. */
  readonly nowMs: RawBuilder<number>;
  /** The type of a number that counts itself up. */
  readonly autoIncrement: RawBuilder<unknown>;
  /** Whether numbers that count themselves up become visible in their order. */
  readonly numbersInOrder: boolean;
  /** A JSON array as rows `j`, each with its element in `j.value`: many rows by one statement whose text is always the same. */
  readonly jsonRows: (json: string) => RawBuilder<unknown>;
  /** Whether the same may succeed a moment later: the database is locked, restarting, or out of reach. */
  readonly isPassing: (error: Error) => boolean;
  /** Between two tries of that, at most. */
  readonly longestPauseMs: number;
  /** What is wrong, and the way out, where the database's own words don't say it. */
  readonly explain: (error: Error) => string;
  /** Resolves with whether a transaction was committed whose commit was not answered; undefined while the database does not know yet. */
  readonly isCommitted: (db: Kysely<Tables>, transactionId: string) => Promise<boolean | undefined>;
  /** Throws {@link RegistryDivergedError} if this is not the database that was opened any more. */
  readonly verify: () => void;
  readonly sizeBytes: (db: Kysely<Tables>) => Promise<number>;
}
