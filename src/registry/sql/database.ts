/**
 * The access to the tables. Every statement goes through this class: it retries after transient failures (a lock of another process, a
 * restart of the server) and explains permanent ones.
 */
import { CamelCasePlugin, Kysely, type Transaction } from 'kysely';

import { SupervisorError, toError } from '../../core/errors.ts';
import { retry } from '../../core/retry.ts';
import type { RegistryDialect } from './dialect.ts';
import { RegistryError, UnansweredCommitError } from '../errors.ts';
import { migrate } from './migrations.ts';
import type { Tables } from './tables.ts';

/** The time for which a statement is retried. A restart of PostgreSQL takes seconds. */
const RETRY_LIMIT_MS = 30_000;
/** The time for which opening is retried. It is shorter because the user waits for the start of the program. */
const OPEN_RETRY_LIMIT_MS = 6_000;
const MIN_PAUSE_MS = 5;

export type Connection = Kysely<Tables> | Transaction<Tables>;

export class Database {
  readonly dialect: RegistryDialect;
  readonly #kysely: Kysely<Tables>;
  readonly #closing = new AbortController();

  /** Opens the database and brings the schema up to date. Throws {@link RegistryError} after it has closed everything. */
  static async open(dialect: RegistryDialect, { upTo }: { readonly upTo?: string } = {}): Promise<Database> {
    const database = new Database(dialect);
    try {
      await database.#try((db) => migrate(db, dialect, upTo), OPEN_RETRY_LIMIT_MS);
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

  /** Runs queries without a transaction. Retries after transient failures. */
  read<Value>(query: (db: Connection) => Promise<Value>, retryLimitMs = RETRY_LIMIT_MS): Promise<Value> {
    return this.#try(query, retryLimitMs);
  }

  /** Runs one statement that changes rows, without a transaction. Retries after transient failures, so that it may be executed twice. */
  execute<Value>(statement: (db: Connection) => Promise<Value>, retryLimitMs = RETRY_LIMIT_MS): Promise<Value> {
    return this.#try(statement, retryLimitMs);
  }

  /**
   * Commits all of `work` or nothing. If the transaction failed for a transient reason, `work` is called again. After a commit whose answer
   * was lost, the database is asked if it was made, so that nothing is done twice. `work` must await nothing but the database.
   */
  write<Value>(work: (transaction: Connection) => Promise<Value>, retryLimitMs = RETRY_LIMIT_MS): Promise<Value> {
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
    }, retryLimitMs);
  }

  async close(): Promise<void> {
    this.#closing.abort(new RegistryError('The registry was closed.'));
    await this.#kysely.destroy();
  }

  async #verified<Value>(attempt: (db: Kysely<Tables>) => Promise<Value>): Promise<Value> {
    this.dialect.verify();
    return attempt(this.#kysely);
  }

  async #try<Value>(attempt: (db: Kysely<Tables>) => Promise<Value>, retryLimitMs: number): Promise<Value> {
    const deadline = performance.now() + retryLimitMs;
    try {
      return await retry(() => this.#verified(attempt), {
        retries: Infinity,
        minDelayMs: MIN_PAUSE_MS,
        maxDelayMs: this.dialect.maxPauseMs,
        shouldRetry: (error) =>
          (error instanceof StillCommittingError || this.dialect.isTransient(error)) && performance.now() < deadline,
        signal: this.#closing.signal,
      });
    } catch (thrown) {
      const error = toError(thrown);
      if (error instanceof SupervisorError) throw error;
      throw new RegistryError(`The registry can't be used: ${this.dialect.explain(error)}`, { cause: error });
    }
  }
}

/** The server has not yet finished a commit whose answer was lost. */
class StillCommittingError extends Error {}
