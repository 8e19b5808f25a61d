/** PostgreSQL, for many machines. */
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

/** Small: one program writes few things at a time, and a server has a hundred connections by default. */
const CONNECTIONS = 4;
const CONNECT_LIMIT_MS = 5_000;
/** A server that hangs must not hang us; statements of ours take milliseconds. */
const QUERY_LIMIT_MS = 15_000;
/** A lock is waited for anew after it, for as long as an outage. */
const LOCK_LIMIT_MS = 5_000;
/** A program that was suspended, or cut off, in a transaction holds its locks for no longer. Ours await nothing but the database. */
const IDLE_LIMIT_MS = 3_000;
/**
 * From https://www.postgresql.org/docs/current/errcodes-appendix.html: connection trouble, shutdown and start, clashes, too many clients; a
 * server that has become a read-only one, or was too slow.
 */
const PASSING_CODES = /^(08...|57P0[1-3]|57014|40001|40P01|55P03|53300|25P0[34]|25006)$/;
const PASSING_SYSTEM_CODES = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/;
/** pg's own errors have no code. */
const PASSING_WORDS =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error/i;

export function postgresDialect(url: string): RegistryDialect {
  const place = redactUrl(url);
  return {
    name: 'postgres',
    place,
    kysely: kyselyDialect(url),
    nowMs: sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`,
    autoIncrement: sql`bigint generated always as identity primary key`,
    numbersInOrder: false,
    jsonRows: (json) => sql`json_array_elements(cast(${json} as json)) as j(value)`,
    longestPauseMs: 250,
    isPassing,
    explain: (error) => explain(error, place),
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
    createDriver: () => new CertainDriver(config),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}

/** By statements, because poolers such as PgBouncer refuse these settings when a connection is opened. */
async function setLimits(connection: DatabaseConnection): Promise<void> {
  const limits = [
    `set statement_timeout = ${QUERY_LIMIT_MS}`,
    `set lock_timeout = ${LOCK_LIMIT_MS}`,
    `set idle_in_transaction_session_timeout = ${IDLE_LIMIT_MS}`,
  ];
  await connection.executeQuery(CompiledQuery.raw(limits.join('; ')));
}

/** Knows each transaction by its id, so that the database can be asked later if it was committed (PostgreSQL 13 and later). */
class CertainDriver extends PostgresDriver {
  readonly #ids = new WeakMap<DatabaseConnection, string>();
  readonly #unanswered = new WeakSet<DatabaseConnection>();

  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    try {
      await super.beginTransaction(connection, settings);
      const query = CompiledQuery.raw('select cast(pg_current_xact_id() as text) as id');
      const { rows } = await connection.executeQuery<{ id: string }>(query);
      this.#ids.set(connection, rows[0]?.id ?? '');
    } catch (thrown) {
      // Kysely rolls back only what has begun. Without this the pool would hand out a connection with an open, failed transaction.
      await Promise.allSettled([super.rollbackTransaction(connection as PostgresConnection)]);
      throw thrown;
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.commitTransaction(connection);
    } catch (thrown) {
      const error = toError(thrown);
      if (!isPassing(error)) throw error;
      this.#unanswered.add(connection);
      throw new UnansweredCommitError(this.#ids.get(connection) ?? '', error);
    }
  }

  /** After a commit that was not answered the connection is gone: there is nothing to roll back by it. */
  override async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    const rollback = super.rollbackTransaction(connection);
    await (this.#unanswered.has(connection) ? Promise.allSettled([rollback]) : rollback);
  }
}

/** The type that Kysely keeps to itself. */
type PostgresConnection = Parameters<PostgresDriver['rollbackTransaction']>[0];

function openPool(url: string): Pool {
  const types = new TypeOverrides();
  // Numbers of ours stay far below 2^53.
  types.setTypeParser(pgTypes.builtins.INT8, Number);
  const pool = new Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: QUERY_LIMIT_MS,
    keepAlive: true,
    application_name: 'webdriver-supervisor',
    types,
  });
  // A connection that is lost while idle is replaced when the next one is needed, and told then if it can't be.
  pool.on('error', () => undefined);
  // One that is lost while in use is told by what it was used for.
  pool.on('connect', (client) => void client.on('error', () => undefined));
  return pool;
}

function isPassing(error: Error): boolean {
  if (error instanceof UnansweredCommitError) return true;
  // A host may have several addresses: the failure of each is in a list.
  if (error instanceof AggregateError) return error.errors.every((one) => one instanceof Error && isPassing(one));
  const code: unknown = 'code' in error ? error.code : undefined;
  if (typeof code === 'string') return PASSING_CODES.test(code) || PASSING_SYSTEM_CODES.test(code);
  return PASSING_WORDS.test(error.message);
}

function explain(error: Error, place: string): string {
  const { message, code = '' } = error as Error & { code?: string };
  const words = message || (error instanceof AggregateError ? String(error.errors[0]) : error.name);
  const what = `${place}: ${words}`;
  if (code === '53100') return `${what}. The database's disk is full: make room, then resume the run.`;
  if (code === '28P01' || code === '28000' || code === '3D000')
    return `${what}. Correct the user, password or database in REGISTRY_URL.`;
  if (code === '42501') return `${what}. Grant the user of REGISTRY_URL the right to create tables in its schema.`;
  if (code === '25006') return `${what}. The server takes no changes: name the primary server in REGISTRY_URL.`;
  if (code === 'ENOTFOUND') return `${what}. Correct the host in REGISTRY_URL.`;
  return isPassing(error) ? `${what}. Start the database, or correct REGISTRY_URL.` : what;
}
