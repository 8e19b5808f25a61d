/** The registry over its database. Loaded when the first registry is opened. */
import { ConfigError } from '../core/errors.ts';
import { importOptional } from '../core/optional-package.ts';
import { redactUrl } from '../core/redact.ts';
import { AlertLog } from './log/alert-log.ts';
import { EventLog } from './log/event-log.ts';
import { Metrics } from './log/metrics.ts';
import { Leadership } from './leadership.ts';
import { Runs } from './runs/runs-table.ts';
import { Shards } from './runs/shards-table.ts';
import { SessionLeases } from './sessions/session-leases.ts';
import { SessionStore } from './sessions/session-store.ts';
import { Database } from './sql/database.ts';
import type { RegistryDialect } from './sql/dialect.ts';
import { isPostgresUrl } from './postgres-url.ts';
import { sqliteDialect } from './sql/sqlite.ts';
import { StuckWork } from './stuck-work.ts';

export interface Registry extends AsyncDisposable {
  /** The URL of the registry, without a password. */
  readonly location: string;
  readonly kind: 'sqlite' | 'postgres';
  readonly sessions: SessionStore;
  readonly leases: SessionLeases;
  readonly runs: Runs;
  readonly shards: Shards;
  readonly metrics: Metrics;
  readonly events: EventLog;
  readonly stuck: StuckWork;
  readonly alerts: AlertLog;
  readonly leadership: Leadership;
  close(): Promise<void>;
}

/** Opens the database at `url`, and the tables over it. Throws as `openRegistry` does. */
export async function openDatabase(url: string): Promise<Registry> {
  const database = await Database.open(await toDialect(url));
  const close = () => database.close();
  return {
    location: database.dialect.location,
    kind: database.dialect.name,
    sessions: new SessionStore(database),
    leases: new SessionLeases(database),
    runs: new Runs(database),
    shards: new Shards(database),
    metrics: new Metrics(database),
    events: new EventLog(database),
    stuck: new StuckWork(database),
    alerts: new AlertLog(database),
    leadership: new Leadership(database),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function toDialect(url: string): Promise<RegistryDialect> {
  if (isPostgresUrl(url)) {
    const { postgresDialect } = await importOptional('postgres', () => import('./sql/postgres.ts'));
    return postgresDialect(url);
  }
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1];
  if (file !== undefined) return sqliteDialect(file);
  throw new ConfigError(
    `REGISTRY_URL is ${redactUrl(url)}; it must be sqlite:<file>, such as sqlite:.supervisor/registry.db, or postgres://user@host/database.`,
  );
}
