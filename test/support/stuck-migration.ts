/**
 * A program that stops in the middle of a registry's first migration, prints the line `in the middle` and waits until it is killed.
 * Usage: node stuck-migration.ts <url of the registry>
 */
import type { Dialect, Driver } from 'kysely';

import { Database } from '../../src/registry/sql/database.ts';
import { postgresDialect } from '../../src/registry/sql/postgres.ts';
import { sqliteDialect } from '../../src/registry/sql/sqlite.ts';

const STOP_AT = /^create table events/;

const [, , url = ''] = process.argv;
const dialect = url.startsWith('sqlite:') ? sqliteDialect(url.slice('sqlite:'.length)) : postgresDialect(url);
setInterval(() => undefined, 60_000);
await Database.open({ ...dialect, kysely: stopIn(dialect.kysely) });
throw new Error('The migration was expected to stop, but it finished.');

function stopIn(inner: Dialect): Dialect {
  return {
    createAdapter: () => inner.createAdapter(),
    createDriver: () => stopDriver(inner.createDriver()),
    createIntrospector: (db) => inner.createIntrospector(db),
    createQueryCompiler: () => inner.createQueryCompiler(),
  };
}

function stopDriver(driver: Driver): Driver {
  const acquire = driver.acquireConnection.bind(driver);
  driver.acquireConnection = async (options) => {
    const connection = await acquire(options);
    const execute = connection.executeQuery.bind(connection);
    connection.executeQuery = async (query, executeOptions) => {
      if (!STOP_AT.test(query.sql)) return execute(query, executeOptions);
      process.stdout.write('in the middle\n');
      return new Promise<never>(() => undefined);
    };
    return connection;
  };
  return driver;
}
