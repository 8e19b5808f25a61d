/**
 * The way to the tables: every statement goes through here, so that what passes (a lock of another process, a server that restarts) is
 * waited out, and what doesn't is told in words that help.
 */
import { CamelCasePlugin, Kysely, type Transaction } from 'kysely';

import { delay } from '../../core/abort.ts';
import { SupervisorError, toError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { RegistryDialect } from './dialect.ts';
import { RegistryError, UnansweredCommitError } from '../errors.ts';
import { migrate } from './migrations.ts';
import type { Tables } from './tables.ts';

/** A restart of PostgreSQL takes seconds; whoever writes waits for it. */
const PATIENCE_MS = 30_000;
/** At the start somebody waits for an answer. */
const OPEN_PATIENCE_MS = 6_000;
const FIRST_PAUSE_MS = 5;

export type Connection = Kysely<Tables> | Transaction<Tables>;

/** Between the parts of long work: SQLite has one writer at a time, and those of other processes come to their turn by chance alone. */
export function yieldToWriters(): Promise<void> {
  return delay(1);
}

export class Database {
  readonly dialect: RegistryDialect;
  readonly #kysely: Kysely<Tables>;
  readonly #closing = new AbortController();

  /** Opens and brings the schema up to date. Throws {@link RegistryError}, with nothing left open. */
  static async open(dialect: RegistryDialect, { upTo }: { readonly upTo?: string } = {}): Promise<Database> {
    const database = new Database(dialect);
    try {
      await database.#try((db) => migrate(db, dialect, upTo), OPEN_PATIENCE_MS);
      return database;
    } catch (thrown) {
      await database.close();
      throw thrown;
    }
  }

  private constructor(dialect: RegistryDialect) {
    this.dialect = dialect;
    this.#kysely = new Kysely<Tables>({ dialect: dialect.kysely, plugins: [new CamelCasePlugin()] });
  }

  /** One look; done again where it failed for something that passes. */
  read<Value>(look: (db: Connection) => Promise<Value>, patienceMs = PATIENCE_MS): Promise<Value> {
    return this.#try(look, patienceMs);
  }

  /**
   * All of `work` or nothing. It may be done again from its beginning if the database has forgotten it. After a commit whose answer was lost the
   * database is asked whether it was made, so that nothing is done twice. Nothing but the database is to be awaited in it.
   */
  write<Value>(work: (transaction: Connection) => Promise<Value>, patienceMs = PATIENCE_MS): Promise<Value> {
    let unanswered: { readonly transactionId: string; readonly value: Value } | undefined;
    return this.#try(async (db) => {
      if (unanswered !== undefined) {
        const isCommitted = await this.dialect.isCommitted(db, unanswered.transactionId);
        if (isCommitted === true) return unanswered.value;
        if (isCommitted === undefined) throw new StillCommittingError();
        unanswered = undefined;
      }
      const done: { value?: Value } = {};
      try {
        await db.transaction().execute(async (transaction) => void (done.value = await work(transaction)));
      } catch (thrown) {
        if (thrown instanceof UnansweredCommitError)
          unanswered = { transactionId: thrown.transactionId, value: done.value as Value };
        throw thrown;
      }
      return done.value as Value;
    }, patienceMs);
  }

  async close(): Promise<void> {
    this.#closing.abort(new RegistryError('The registry was closed.'));
    await this.#kysely.destroy();
  }

  async #verified<Value>(attempt: (db: Kysely<Tables>) => Promise<Value>): Promise<Value> {
    this.dialect.verify();
    return attempt(this.#kysely);
  }

  async #try<Value>(attempt: (db: Kysely<Tables>) => Promise<Value>, patienceMs: number): Promise<Value> {
    const deadline = performance.now() + patienceMs;
    try {
      return await retry(() => this.#verified(attempt), {
        retries: Infinity,
        minDelayMs: FIRST_PAUSE_MS,
        maxDelayMs: this.dialect.longestPauseMs,
        shouldRetry: (error) =>
          (error instanceof StillCommittingError || this.dialect.isPassing(error)) && performance.now() < deadline,
        signal: this.#closing.signal,
      });
    } catch (thrown) {
      const error = toError(thrown);
      if (error instanceof SupervisorError) throw error;
      throw new RegistryError(`The registry can't be used: ${this.dialect.explain(error)}`, { cause: error });
    }
  }
}

/** The server still works on a commit whose answer was lost. */
class StillCommittingError extends Error {}
