/**
 * The dialect of SQLite, by Node's own module. It works in our thread, so it must never wait. A lock of another process is an error here,
 * and `Database` retries after a pause. Transactions begin as writers, so that none fails for a lock after it has begun.
 */
import { closeSync, openSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  CompiledQuery,
  sql,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';

import { ConfigError, toError } from '../../core/errors.ts';
import { makeFolder, PRIVATE_FILE_MODE } from '../../core/folders.ts';
import { RegistryDivergedError } from '../errors.ts';
import type { RegistryDialect } from './dialect.ts';

const MEMORY = ':memory:';

/** Primary result codes of https://sqlite.org/rescode.html; the extended ones have them in their lowest byte. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
/** The maximum number of prepared statements. Most texts repeat; texts with a varying number of rows must not fill the memory. */
const MAX_PREPARED_STATEMENTS = 100;

export function sqliteDialect(location: string): RegistryDialect {
  // The user's code may change the working directory.
  const file = location === MEMORY ? location : path.resolve(location);
  let opened: readonly OpenedFile[] = [];
  const onOpen = () => (opened = listOpenedFiles(file));
  return {
    name: 'sqlite',
    location,
    kysely: kyselyDialect(file, onOpen),
    nowMs: sql<number>`cast(unixepoch('now', 'subsec') * 1000 as integer)`,
    autoIncrement: sql`integer primary key autoincrement`,
    // There is one writer at a time.
    numbersInOrder: true,
    jsonRows: (json) => sql`json_each(${json}) as j`,
    // SQLite does not notify of a released lock, and after longer pauses the lock is often held again.
    maxPauseMs: 20,
    isTransient: (error) => [BUSY, LOCKED].includes(resultCode(error)),
    explain: (error) => explain(error, location),
    // A commit is answered within this process, so an unanswered one was not made.
    isCommitted: async () => false,
    verify: () => {
      const changed = opened.find((one) => one.identity !== identityOf(one.file));
      if (changed === undefined) return;
      throw new RegistryDivergedError(
        `The registry's file ${changed.file} was replaced or deleted while this program used it; what was stored since then is not in it. ` +
          'Put the file back, or continue with the present one: resume the run.',
      );
    },
    sizeBytes: async (db) => {
      const { rows } = await sql<{ bytes: number }>`
        select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()`.execute(db);
      return rows[0]?.bytes ?? 0;
    },
  };
}

function kyselyDialect(file: string, onOpen: () => void): Dialect {
  return {
    createAdapter: () => new ImmediateAdapter(),
    createDriver: () => new SqliteDriver(file, onOpen),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** An adapter that allows migrations in a transaction. Our transactions hold the write lock from their begin, so a second program waits. */
class ImmediateAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class SqliteDriver implements Driver {
  readonly #file: string;
  readonly #onOpen: () => void;
  #connection: SqliteConnection | undefined;

  constructor(file: string, onOpen: () => void) {
    this.#file = file;
    this.#onOpen = onOpen;
  }

  async init(): Promise<void> {
    if (this.#file !== MEMORY) {
      await makePrivateFile(this.#file);
      refuseHardLinks(this.#file);
    }
    const database = new DatabaseSync(this.#file, { timeout: 0 });
    try {
      // After a power failure, the last commits may be missing: a step and its records are missing together, and the step is done again.
      // Checkpoints are small (250 pages of 4 KiB), because one of the default's 1 000 pages blocks our thread for 20 ms.
      database.exec(
        'pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = off; pragma wal_autocheckpoint = 250',
      );
      // This query creates the `-wal` and `-shm` files.
      database.exec('select count(*) from sqlite_schema');
      this.#connection = new SqliteConnection(database);
      suspendBetweenTransactions(1);
      if (this.#file !== MEMORY) this.#onOpen();
    } catch (thrown) {
      database.close();
      throw thrown;
    }
  }

  async acquireConnection(): Promise<SqliteConnection> {
    if (this.#connection === undefined) throw new Error('The database is not open.');
    return this.#connection;
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // SQLite ends some transactions itself, for example on a full disk. Then there is nothing to roll back.
    if ((connection as SqliteConnection).isInTransaction) await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  /**
   * Waits one turn of the event loop before the next caller gets the only connection, so that a loop of calls does not block timers and
   * sockets.
   */
  async releaseConnection(): Promise<void> {
    await nextTurn();
  }

  async destroy(): Promise<void> {
    if (this.#connection === undefined) return;
    this.#connection.close();
    suspendBetweenTransactions(-1);
  }
}

let openDatabases = 0;

/**
 * Makes Ctrl+Z suspend the program only between transactions. By default it stops at any instruction, and the lock of a transaction would
 * then block the writes of all other programs. A signal listener runs between transactions, because these take no turn of the event loop.
 */
function suspendBetweenTransactions(opened: 1 | -1): void {
  openDatabases += opened;
  process.off('SIGTSTP', suspend);
  if (openDatabases > 0) process.on('SIGTSTP', suspend);
}

function suspend(): void {
  process.kill(process.pid, 'SIGSTOP');
}

interface PreparedStatement {
  readonly statement: StatementSync;
  /** The names of the columns; empty for a statement that returns no rows. */
  readonly columns: readonly string[];
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, PreparedStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get isInTransaction(): boolean {
    return this.#database.isTransaction;
  }

  close(): void {
    this.#database.close();
  }

  async executeQuery<Row>({ sql: text, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    const { statement, columns } = this.#prepare(text);
    const values = parameters as (string | number | bigint | null)[];
    if (columns.length > 0) return { rows: readAll(statement, values).map((row) => toObject(columns, row)) as Row[] };
    const { changes, lastInsertRowid } = statement.run(...values);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('The registry does not stream. Long results are read in pages.');
  }

  #prepare(text: string): PreparedStatement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(text);
    const prepared = { statement, columns: statement.columns().map(({ name }) => name) };
    // The objects that Node makes of rows stay until the next full garbage collection: reading pages used up all memory. Arrays do not.
    if (prepared.columns.length > 0) statement.setReturnArrays(true);
    if (this.#statements.size >= MAX_PREPARED_STATEMENTS) this.#statements.clear();
    this.#statements.set(text, prepared);
    return prepared;
  }
}

function toObject(columns: readonly string[], row: readonly SQLOutputValue[]): Record<string, SQLOutputValue> {
  const object: Record<string, SQLOutputValue> = {};
  for (const [index, column] of columns.entries()) object[column] = row[index] ?? null;
  return object;
}

/**
 * Reads all rows. A number that JavaScript can't represent is damaged; it is rounded, so that its row can be reported and repaired and the
 * other rows can be read.
 */
function readAll(statement: StatementSync, values: readonly SQLInputValue[]): SQLOutputValue[][] {
  try {
    return toRows(statement, values);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
  }
  statement.setReadBigInts(true);
  try {
    const toNumber = (value: SQLOutputValue) => (typeof value === 'bigint' ? Number(value) : value);
    return toRows(statement, values).map((row) => row.map(toNumber));
  } finally {
    statement.setReadBigInts(false);
  }
}

/** Returns the rows as arrays because of `setReturnArrays`, which Node's types do not reflect. */
function toRows(statement: StatementSync, values: readonly SQLInputValue[]): SQLOutputValue[][] {
  return statement.all(...values) as unknown as SQLOutputValue[][];
}

/** Creates the file, if there is none, for its user only. SQLite gives the files beside it, such as the `-wal`, the same mode. */
async function makePrivateFile(file: string): Promise<void> {
  const folder = path.dirname(file);
  try {
    await makeFolder(folder);
  } catch (thrown) {
    throw new ConfigError(
      `The registry's folder ${folder} can't be created: ${toError(thrown).message}. Choose another with REGISTRY_URL.`,
      { cause: thrown },
    );
  }
  try {
    closeSync(openSync(file, 'wx', PRIVATE_FILE_MODE));
  } catch {
    // The file exists, or SQLite reports better why it can't be created.
  }
}

/**
 * Throws `ConfigError` if the file has several names. SQLite names the `-wal` by the file's name: programs with different names damage the
 * data.
 */
function refuseHardLinks(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true || found.nlink === 1) return;
  throw new ConfigError(
    `The registry ${file} has ${found.nlink} names (hard links), and its data would be damaged if programs used different ones. Remove all names but one: ` +
      `\`find <folder> -samefile ${file}\` lists them. To copy it, use \`cp\` or \`sqlite3 ${file} .backup\`.`,
  );
}

interface OpenedFile {
  readonly file: string;
  readonly identity: string | undefined;
}

/**
 * Lists the database and the files that SQLite has open beside it. If one of them is gone, other programs don't see what this one writes.
 */
function listOpenedFiles(file: string): OpenedFile[] {
  const realFile = realpathSync(file);
  return [file, `${realFile}-wal`, `${realFile}-shm`].map((one) => ({ file: one, identity: identityOf(one) }));
}

/** Returns the identity of the file at this path, which a replaced file does not share; undefined if there is no file. */
function identityOf(file: string): string | undefined {
  const { dev, ino } = statSync(file, { throwIfNoEntry: false, bigint: true }) ?? {};
  return dev === undefined ? undefined : `${dev}:${ino}`;
}

function resultCode(error: Error): number {
  const code: unknown = 'errcode' in error ? error.errcode : undefined;
  return typeof code === 'number' ? code & 0xff : -1;
}

function explain(error: Error, file: string): string {
  const what = `${file}: ${error.message}`;
  switch (resultCode(error)) {
    case BUSY:
    case LOCKED:
      return `${what}. Another program has it locked; end that program, or wait for it.`;
    case READONLY:
    case CANTOPEN:
      return `${what}. Check that the file and its folder can be written to, or choose another with REGISTRY_URL.`;
    case CORRUPT:
    case NOTADB:
      return `${what}. The file is damaged or not a registry: move it away to begin a new one, or restore a copy of it.`;
    case FULL:
    case IOERR:
      return `${what}. The disk is full or failing: make room, then resume the run.`;
    default:
      return what;
  }
}
