/** The tables, as Kysely sees them. Times are UTC ISO text of our clock, leases milliseconds of the database's clock. */
import type { Generated } from 'kysely';

export const SESSION_STATUSES = ['starting', 'active', 'standby', 'ended', 'dead', 'timed_out', 'expired'] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];
/** Those that hold their owner: at most one of them per owner, by a unique index. */
export const LIVE_STATUSES = ['starting', 'active'] as const satisfies readonly SessionStatus[];

/** In the order of a run's life. */
export const RUN_STATUSES = [
  'pending',
  'processing',
  'completed',
  'partial',
  'failed',
  'halted',
  'timed_out',
  'cancelled',
] as const;
export type StoredRunStatus = (typeof RUN_STATUSES)[number];

/** Of steps that are over. */
export const ENDED_STEPS = ['done', 'failed', 'cancelled', 'skipped'] as const;

export interface SessionsTable {
  id: string;
  owner: string;
  status: string;
  /** Grows with each claim of any owner: the higher one is the newer one. */
  token: number;
  /** The manager that holds it, unique per manager. */
  holder: string;
  lease_expires_ms: number;
  webdriver_id: string | null;
  epoch: number;
  run_id: string | null;
  host: string;
  pid: number;
  /** Which of the processes that had this pid. */
  process_identity: string;
  driver_pid: number | null;
  browser_pid: number | null;
  folder: string | null;
  endpoint: string | null;
  created_at: string;
  started_at: string | null;
  last_heartbeat_at: string | null;
  last_used_at: string;
  ended_at: string | null;
  /** JSON. */
  death: string | null;
  error_message: string | null;
  label: string | null;
  /** JSON. */
  data: string | null;
}

export interface RunsTable {
  id: string;
  action: string;
  /** JSON, redacted. */
  params: string;
  owner: string;
  status: string;
  /** Of the session under which it is being worked on; null when nobody does. */
  token: number | null;
  cancel_requested_at: string | null;
  /** Grows with each commit: a commit that was done again after a lost answer is told from one that was not. */
  commit_number: number;
  total: number;
  queued: number;
  running: number;
  done: number;
  failed: number;
  cancelled: number;
  skipped: number;
  records: number;
  sessions: number;
  /** Units of work begun on a session that was handed down; and those that met another one than they began with. */
  reused: number;
  context_losses: number;
  /** JSON. */
  deaths: string;
  display_done: number | null;
  display_total: number | null;
  display_label: string | null;
  error_code: string | null;
  error_message: string | null;
  /** JSON: dataset -> file. */
  outputs: string;
  /** JSON: what a resume takes over. */
  options: string;
  host: string | null;
  pid: number | null;
  process_identity: string | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  updated_at: string;
  last_progress_at: string | null;
  duration_ms: number;
}

export interface StepsTable {
  run_id: string;
  /** Of batch and key: an index takes keys of any length by it. */
  id: string;
  batch: string | null;
  key: string;
  /** Place in the order of first declaration. */
  ord: number;
  status: string;
  /** JSON; null where the step returned nothing. */
  value: string | null;
  error_code: string | null;
  /** Of a failure; of a skipped step, the reason. */
  message: string | null;
  /** Key of the item whose worker added this one, and the item as JSON. */
  added_by: string | null;
  item: string | null;
  /** The row id of the step that contains this one; null for one that `run` itself asked for. */
  within: string | null;
  /** 1 if it sent something that is not idempotent. */
  effects: number;
}

export interface RecordsTable {
  run_id: string;
  /** Of dataset and key. */
  id: string;
  dataset: string;
  key: string;
  json: string;
  /** Export order: that of the step, then that of saving in it. */
  ord: number;
  position: number;
  /** Of a record that was saved outside of steps: its place, and how often that was done. */
  save_ord: number | null;
  saves: number;
}

export interface EventsTable {
  id: Generated<number>;
  at: string;
  type: string;
  owner: string | null;
  session_id: string | null;
  run_id: string | null;
  status: string | null;
  message: string | null;
  /** JSON. */
  data: string | null;
}

/** Totals that outlive the rows they were counted from. */
export interface CountersTable {
  name: string;
  label: string;
  value: number;
}

/** What only one of many programs may do, and who does it. */
export interface LeadersTable {
  office: string;
  holder: string;
  host: string;
  pid: number;
  since: string;
  /** Of the database's clock. */
  expires_ms: number;
}

/** Runs that were removed, and whose steps and records have still to go. */
export interface RemovalsTable {
  run_id: string;
}

export interface AlertsTable {
  key: string;
  rule: string;
  severity: string;
  status: string;
  message: string;
  next: string | null;
  owner: string | null;
  run_id: string | null;
  session_id: string | null;
  since: string;
  updated_at: string;
  /** JSON: sink -> what it was told. */
  delivered: string;
}

export interface Tables {
  sessions: SessionsTable;
  runs: RunsTable;
  steps: StepsTable;
  records: RecordsTable;
  events: EventsTable;
  counters: CountersTable;
  leaders: LeadersTable;
  alerts: AlertsTable;
  removals: RemovalsTable;
}
