import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { TestPostgres } from './postgres.ts';
import { sharedPostgres } from './shared-postgres.ts';

/** Where a suite's registries are: each call of `url` names an empty one. */
export interface TestRegistries {
  readonly kind: 'sqlite' | 'postgres';
  readonly url: () => Promise<string>;
}

type Suite = (registries: TestRegistries) => void;

/** Declares the same suite for SQLite in a file and for a real PostgreSQL. */
export function describeOnBoth(name: string, suite: Suite): void {
  describeOnSqlite(name, suite);
  describeOnPostgres(name, suite);
}

/** For what hardly differs between them: on SQLite in the short suite, on PostgreSQL in the long one, which has its files, too. */
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
