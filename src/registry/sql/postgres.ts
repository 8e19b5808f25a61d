/** The dialect of PostgreSQL, for registries that several machines use. */
import {
  CompiledQuery,
  PostgresDialect,
  PostgresDriver,
  sql,
  type DatabaseConnection,
  type Dialect,
  type TransactionSettings,
} from 'kysely';
import { Pool, types as pgTypes, TypeOverrides } from 'pg';

import { redactUrl } from '../../core/redact.ts';
import { toError } from '../../core/errors.ts';
import { UnansweredCommitError } from '../errors.ts';
import type { RegistryDialect } from './dialect.ts';

/** The number is small: one program writes few things at a time, and a server allows a hundred connections by default. */
const MAX_CONNECTIONS = 4;
const CONNECT_TIMEOUT_MS = 5_000;
/** The limit for a server that hangs. Our statements take milliseconds. */
const QUERY_TIMEOUT_MS = 15_000;
/** After this time the statement fails and is retried, for as long as during an outage. */
const LOCK_TIMEOUT_MS = 5_000;
/** The limit of the locks of a program that was suspended or disconnected in a transaction. Our transactions await only the database. */
const IDLE_TIMEOUT_MS = 3_000;
/**
 * From https://www.postgresql.org/docs/current/errcodes-appendix.html: connection failures, shutdown and start, conflicts, too many
 * clients, a server that became read-only, and timeouts.
 */
const TRANSIENT_CODES = /^(08...|57P0[1-3]|57014|40001|40P01|55P03|53300|25P0[34]|25006)$/;
const TRANSIENT_SYSTEM_CODES = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/;
/** pg's own errors have no code. */
const TRANSIENT_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error/i;

export function postgresDialect(url: string): RegistryDialect {
  const location = redactUrl(url);
  return {
    name: 'postgres',
    location,
    kysely: kyselyDialect(url),
    nowMs: sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`,
    autoIncrement: sql`bigint generated always as identity primary key`,
    numbersInOrder: false,
    jsonRows: (json) => sql`json_array_elements(cast(${json} as json)) as j(value)`,
    maxPauseMs: 250,
    isTransient,
    explain: (error) => explain(error, location),
    isCommitted: async (db, transactionId) => {
      const { rows } = await sql<{ status: string | null }>`
        select pg_xact_status(cast(${transactionId} as xid8)) as status`.execute(db);
      const status = rows[0]?.status;
      return status === 'in progress' ? undefined : status === 'committed';
    },
    verify: () => undefined,
    sizeBytes: async (db) => {
      const { rows } = await sql<{ bytes: number }>`select pg_database_size(current_database()) as bytes`.execute(db);
      return rows[0]?.bytes ?? 0;
    },
  };
}

function kyselyDialect(url: string): Dialect {
  const config = { pool: async () => openPool(url), onCreateConnection: setLimits };
  const dialect = new PostgresDialect(config);
  return {
    createAdapter: () => dialect.createAdapter(),
    createDriver: () => new TransactionIdDriver(config),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}

/** Sets the limits by statements, because poolers such as PgBouncer refuse these settings in the connection's start parameters. */
async function setLimits(connection: DatabaseConnection): Promise<void> {
  const limits = [
    `set statement_timeout = ${QUERY_TIMEOUT_MS}`,
    `set lock_timeout = ${LOCK_TIMEOUT_MS}`,
    `set idle_in_transaction_session_timeout = ${IDLE_TIMEOUT_MS}`,
  ];
  await connection.executeQuery(CompiledQuery.raw(limits.join('; ')));
}

/** A driver that reads the id of each transaction, so that the database can be asked later if it was committed (PostgreSQL 13 or later). */
class TransactionIdDriver extends PostgresDriver {
  readonly #ids = new WeakMap<DatabaseConnection, string>();
  readonly #unanswered = new WeakSet<DatabaseConnection>();

  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    try {
      await super.beginTransaction(connection, settings);
      const query = CompiledQuery.raw('select cast(pg_current_xact_id() as text) as id');
      const { rows } = await connection.executeQuery<{ id: string }>(query);
      this.#ids.set(connection, rows[0]?.id ?? '');
    } catch (thrown) {
      // Kysely rolls back only transactions that have begun. Without this the pool would reuse a connection with a failed open transaction.
      await Promise.allSettled([super.rollbackTransaction(connection as PostgresConnection)]);
      throw thrown;
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.commitTransaction(connection);
    } catch (thrown) {
      const error = toError(thrown);
      if (!isTransient(error)) throw error;
      this.#unanswered.add(connection);
      throw new UnansweredCommitError(this.#ids.get(connection) ?? '', error);
    }
  }

  /** Rolls back. After a commit that was not answered the connection is lost, so a failure is ignored. */
  override async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    const rollback = super.rollbackTransaction(connection);
    await (this.#unanswered.has(connection) ? Promise.allSettled([rollback]) : rollback);
  }
}

/** A type that Kysely does not export. */
type PostgresConnection = Parameters<PostgresDriver['rollbackTransaction']>[0];

function openPool(url: string): Pool {
  const types = new TypeOverrides();
  // Our numbers stay far below 2^53.
  types.setTypeParser(pgTypes.builtins.INT8, Number);
  const pool = new Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'webdriver-supervisor',
    types,
  });
  // An idle connection that is lost is replaced when the next one is needed; if that fails, the statement reports it.
  pool.on('error', () => undefined);
  // If a connection is lost while in use, its statement reports it.
  pool.on('connect', (client) => void client.on('error', () => undefined));
  return pool;
}

function isTransient(error: Error): boolean {
  if (error instanceof UnansweredCommitError) return true;
  // A host may have several addresses; the error then has a list of the failures.
  if (error instanceof AggregateError) return error.errors.every((one) => one instanceof Error && isTransient(one));
  const code: unknown = 'code' in error ? error.code : undefined;
  if (typeof code === 'string') return TRANSIENT_CODES.test(code) || TRANSIENT_SYSTEM_CODES.test(code);
  return TRANSIENT_MESSAGES.test(error.message);
}

function explain(error: Error, location: string): string {
  const { message, code = '' } = error as Error & { code?: string };
  const words = message || (error instanceof AggregateError ? String(error.errors[0]) : error.name);
  const what = `${location}: ${words}`;
  if (code === '53100') return `${what}. The database's disk is full: make room, then resume the run.`;
  if (code === '28P01' || code === '28000' || code === '3D000')
    return `${what}. Correct the user, password or database in REGISTRY_URL.`;
  if (code === '42501') return `${what}. Grant the user of REGISTRY_URL the right to create tables in its schema.`;
  if (code === '25006') return `${what}. The server is read-only: set REGISTRY_URL to the primary server.`;
  if (code === 'ENOTFOUND') return `${what}. Correct the host in REGISTRY_URL.`;
  return isTransient(error) ? `${what}. Start the database, or correct REGISTRY_URL.` : what;
}
