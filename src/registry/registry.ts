/**
 * The durable store of sessions, runs, steps, records and events. Rules of this module: a finished step and its records are committed
 * together or not at all; nothing is stored twice; an owner has at most one live session, which a unique index enforces; only the holder of
 * the lease writes; callers pass no secrets. There is one implementation over Kysely. The differences between SQLite and PostgreSQL are a
 * value (`dialect.ts`).
 */
import { findSecrets } from '../core/redact.ts';
import { settingSecrets } from '../core/secrets.ts';
import type { Registry } from './open-database.ts';

export type { NewAlert, StoredAlert } from './log/alert-log.ts';
export { yieldToWriters } from './yield-to-writers.ts';
export type { EventLog, StoredEvent } from './log/event-log.ts';
export { type EventType, type NewEvent } from './log/events.ts';
export type { Leader } from './leadership.ts';
export type { StuckFinding, TimedOut } from './stuck-work.ts';
export { LeaseLostError, RegistryDivergedError, RegistryError } from './errors.ts';
export type { StoredHistogram } from './log/histograms.ts';
export type { RegistryMetrics } from './log/metrics.ts';
export type { Page, PageCursor } from './sql/page.ts';
export type { ListedStep } from './runs/run-pages.ts';
export type { FolderClaim } from './runs/run-folders.ts';
export type {
  AddedItem,
  EndingStep,
  RecordEntry,
  RunEnd,
  RunSnapshot,
  RunStore,
  SavePosition,
  ReplacedRecord,
  StepDeclaration,
  StepEnd,
  StepId,
  StoredSave,
  StoredStep,
} from './runs/run-store.ts';
export type { NewRun } from './runs/run-row.ts';
export type { RunLease } from './runs/runs-table.ts';
export type { SharedTransaction } from './runs/shards-table.ts';
export { toStepRowId } from './sql/row-id.ts';
export type { Claim, ClaimResult, Renewal, SessionFacts } from './sessions/claim.ts';
export type { SessionLeases } from './sessions/session-leases.ts';
export type { SessionFilter, SessionGroup, SessionPatch } from './sessions/session-store.ts';
export type { Registry } from './open-database.ts';
export { isPostgresUrl } from './postgres-url.ts';

export const DEFAULT_REGISTRY_URL = 'sqlite:.supervisor/registry.db';
/** A registry in memory, for tests and for runs that are never resumed. It ends with the program. */
export const MEMORY_REGISTRY_URL = 'sqlite::memory:';
/** The name of the leadership of the monitors. */
export const MONITOR_LEADERSHIP = 'monitor';

/**
 * Opens the registry and brings its tables up to date. `url` is `sqlite:<file>`, `sqlite::memory:` or `postgres://…`; default
 * `sqlite:.supervisor/registry.db`. Throws `ConfigError` for any other URL, `RegistryError` if the registry can't be used.
 */
export async function openRegistry(url = DEFAULT_REGISTRY_URL): Promise<Registry> {
  settingSecrets.add(findSecrets(url));
  // Kysely and the tables take longer to load than all else of the library.
  const { openDatabase } = await import('./open-database.ts');
  return openDatabase(url);
}
