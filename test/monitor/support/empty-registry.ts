import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { rawSql } from '../../support/raw-sql.ts';
import type { TestRegistries } from '../../support/registries.ts';

const TABLES = ['sessions', 'runs', 'steps', 'records', 'events', 'counters', 'alerts', 'leaders'];

/** Shares one registry in a suite and empties it before each test, because creating a PostgreSQL database takes longer than most tests. */
export interface EmptyRegistry {
  readonly url: string;
  readonly registry: Registry;
}

export function useEmptyRegistry(registries: TestRegistries): EmptyRegistry {
  let url: string;
  let registry: Registry;
  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });
  beforeEach(async () => {
    if (registries.kind === 'sqlite') for (const table of TABLES) await rawSql(url, `delete from ${table}`);
    else
      await rawSql(url, `with ${TABLES.map((table) => `of_${table} as (delete from ${table})`).join(', ')} select 1`);
  });
  after(() => registry.close());
  return {
    get url() {
      return url;
    },
    get registry() {
      return registry;
    },
  };
}
