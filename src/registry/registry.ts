/**
 * The durable store of sessions, runs, steps, records and events. Rules of this module: a finished step and its records are committed
 * together or not at all; nothing is stored twice; an owner has at most one live session, which a unique index enforces; only the holder of
 * the lease writes; callers pass no secrets. There is one implementation over Kysely. The differences between SQLite and PostgreSQL are a
 * value (`dialect.ts`).
 */
import { ConfigError } from '../core/errors.ts';
import { findSecrets, redactUrl } from '../core/redact.ts';
import { settingSecrets } from '../core/secrets.ts';
import { AlertLog } from './log/alert-log.ts';
import { Database } from './sql/database.ts';
import { EventLog } from './log/event-log.ts';
import { Leadership } from './leadership.ts';
import { Metrics } from './log/metrics.ts';
import { postgresDialect } from './sql/postgres.ts';
import { Runs } from './runs/runs-table.ts';
import { SessionLeases } from './sessions/session-leases.ts';
import { SessionStore } from './sessions/session-store.ts';
import { MEMORY, sqliteDialect } from './sql/sqlite.ts';
import { StuckWork } from './stuck-work.ts';

export type { AlertLog, AlertStatus, NewAlert, StoredAlert } from './log/alert-log.ts';
export { yieldToWriters } from './sql/database.ts';
export type { EventFilter, EventLog, StoredEvent } from './log/event-log.ts';
export { EVENT_TYPES, type EventType, type NewEvent } from './log/events.ts';
export { MONITOR_LEADERSHIP, type Candidate, type Leader, type Leadership } from './leadership.ts';
export type { StuckFinding, StuckWork, TimedOut } from './stuck-work.ts';
export { LeaseLostError, RegistryDivergedError, RegistryError } from './errors.ts';
export type { StoredHistogram } from './log/histograms.ts';
export { type RegistryMetrics } from './log/metrics.ts';
export type { Page, PageCursor } from './sql/page.ts';
export type { ListedStep, RecordsPage, StepsPage } from './runs/run-pages.ts';
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
export type { RunFilter, RunLease, Runs } from './runs/runs-table.ts';
export { toStepRowId } from './sql/row-id.ts';
export type { Claim, ClaimResult, Renewal, SessionFacts } from './sessions/claim.ts';
export type { SessionLeases } from './sessions/session-leases.ts';
export type { SessionFilter, SessionGroup, SessionPatch, SessionStore } from './sessions/session-store.ts';

export const DEFAULT_REGISTRY_URL = 'sqlite:.supervisor/registry.db';
/** A registry in memory, for tests and for runs that are never resumed. It ends with the program. */
export const MEMORY_REGISTRY_URL = `sqlite:${MEMORY}`;

export interface Registry extends AsyncDisposable {
  /** The file, or the URL without its password. */
  readonly place: string;
  readonly kind: 'sqlite' | 'postgres';
  readonly sessions: SessionStore;
  readonly leases: SessionLeases;
  readonly runs: Runs;
  readonly metrics: Metrics;
  readonly events: EventLog;
  readonly stuck: StuckWork;
  readonly alerts: AlertLog;
  readonly leadership: Leadership;
  close(): Promise<void>;
}

/**
 * Opens the registry and brings its tables up to date. `url` is `sqlite:<file>`, `sqlite::memory:` or `postgres://…`; default
 * `sqlite:.supervisor/registry.db`. Throws `ConfigError` for any other URL, `RegistryError` if the registry can't be used.
 */
export async function openRegistry(url = DEFAULT_REGISTRY_URL): Promise<Registry> {
  settingSecrets.add(findSecrets(url));
  const database = await Database.open(toDialect(url));
  const close = () => database.close();
  return {
    place: database.dialect.place,
    kind: database.dialect.name,
    sessions: new SessionStore(database),
    leases: new SessionLeases(database),
    runs: new Runs(database),
    metrics: new Metrics(database),
    events: new EventLog(database),
    stuck: new StuckWork(database),
    alerts: new AlertLog(database),
    leadership: new Leadership(database),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function toDialect(url: string) {
  if (/^postgres(ql)?:\/\//.test(url)) return postgresDialect(url);
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1];
  if (file !== undefined) return sqliteDialect(file);
  throw new ConfigError(
    `REGISTRY_URL is ${redactUrl(url)}; it must be sqlite:<file>, such as ${DEFAULT_REGISTRY_URL}, or postgres://user@host/database.`,
  );
}
