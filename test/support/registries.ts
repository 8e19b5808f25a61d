import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { TestPostgres } from './postgres.ts';
import { sharedPostgres } from './shared-postgres.ts';

/** The registries of a suite. Each call of `url` returns the URL of an empty one. */
export interface TestRegistries {
  readonly kind: 'sqlite' | 'postgres';
  readonly url: () => Promise<string>;
}

type Suite = (registries: TestRegistries) => void;

/** Declares the suite twice: for SQLite in a file and for a real PostgreSQL. */
export function describeOnBoth(name: string, suite: Suite): void {
  describeOnSqlite(name, suite);
  describeOnPostgres(name, suite);
}

/**
 * Declares the suite for SQLite in the short test run, and for PostgreSQL in the full one, which runs the short files too. It is for
 * subjects that hardly differ between the databases.
 */
export function describeOnSqliteAndInFullOnPostgres(name: string, suite: Suite): void {
  if (process.env['TEST_LENGTH'] === 'full') describeOnPostgres(name, suite);
  else describeOnSqlite(name, suite);
}

export function describeOnSqlite(name: string, suite: Suite): void {
  describe(`${name} [SQLite]`, () => {
    let folder: string;
    let number = 0;
    before(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'registry-'));
    });
    after(() => rmSync(folder, { recursive: true }));
    suite({ kind: 'sqlite', url: async () => `sqlite:${path.join(folder, `${(number += 1)}.db`)}` });
  });
}

export function describeOnPostgres(name: string, suite: Suite): void {
  describe(`${name} [PostgreSQL]`, () => {
    let postgres: TestPostgres;
    before(async () => {
      postgres = await sharedPostgres();
    });
    suite({ kind: 'postgres', url: () => postgres.createDatabase() });
  });
}
