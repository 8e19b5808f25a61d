/** The differences between the databases, as a value. All other code of the registry is the same for both. */
import type { Dialect, Kysely, RawBuilder } from 'kysely';

import type { Tables } from './tables.ts';

export interface RegistryDialect {
  readonly name: 'sqlite' | 'postgres';
  /** The file, or the URL without its password, for messages. */
  readonly location: string;
  readonly kysely: Dialect;
  /** The time of the database in milliseconds since 1970. Leases of all machines are compared by this one clock. */
  readonly nowMs: RawBuilder<number>;
  /** The column type of an auto-incremented number. */
  readonly autoIncrement: RawBuilder<unknown>;
  /** True if auto-incremented numbers become visible in their order. */
  readonly numbersInOrder: boolean;
  /** Returns a JSON array as rows `j` with the elements in `j.value`, so that many rows need one statement whose text never changes. */
  readonly jsonRows: (json: string) => RawBuilder<unknown>;
  /** Returns true if a retry may succeed: the database is locked, restarting, or unreachable. */
  readonly isTransient: (error: Error) => boolean;
  /** The maximum pause between two attempts in milliseconds. */
  readonly maxPauseMs: number;
  /** Returns the failure in words, with the solution if the message of the database does not contain it. */
  readonly explain: (error: Error) => string;
  /** Returns true if a transaction whose commit was not answered was committed; undefined while the database has not decided it. */
  readonly isCommitted: (db: Kysely<Tables>, transactionId: string) => Promise<boolean | undefined>;
  /** Throws {@link RegistryDivergedError} if this is not the database that was opened any more. */
  readonly verify: () => void;
  readonly sizeBytes: (db: Kysely<Tables>) => Promise<number>;
}
