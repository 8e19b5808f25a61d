/**
 * The tables, as Kysely sees them: its plugin makes `runId` of the column `run_id`. Times are UTC ISO text of our clock, leases milliseconds of
 * the database's clock.
 */
import type { Generated } from 'kysely';

import type { RunRow } from '../../model/run.ts';
import type { SessionRow } from '../../model/session.ts';

export interface StepsTable {
  runId: string;
  /** Made of batch and key, so that an index takes keys of any length. */
  id: string;
  batch: string | null;
  key: string;
  /** Place in the order of first declaration. */
  ord: number;
  status: string;
  /** JSON; null where the step returned nothing. */
  value: string | null;
  errorCode: string | null;
  /** The message of a failure, or the reason of a skipped step. */
  message: string | null;
  /** Key of the item whose worker added this one, and the item as JSON. */
  addedBy: string | null;
  item: string | null;
  /** The row id of the step that contains this one; null for one that `run` itself asked for. */
  within: string | null;
  /** 1 if it sent something that is not idempotent. */
  effects: number;
}

export interface RecordsTable {
  runId: string;
  /** Made of dataset and key. */
  id: string;
  dataset: string;
  key: string;
  json: string;
  /** Export order: that of the step, then that of saving in it. */
  ord: number;
  position: number;
  /** For a record that was saved outside of steps: its place, and how often it was saved. */
  saveOrd: number | null;
  saves: number;
}

export interface EventsTable {
  id: Generated<number>;
  at: string;
  type: string;
  owner: string | null;
  sessionId: string | null;
  runId: string | null;
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

/** Work that only one of many programs may do, and the program that does it. */
export interface LeadersTable {
  office: string;
  holder: string;
  host: string;
  pid: number;
  since: string;
  /** By the database's clock. */
  expiresMs: number;
}

/** Runs that were removed, and whose steps and records have still to go. */
export interface RemovalsTable {
  runId: string;
}

export interface AlertsTable {
  key: string;
  rule: string;
  severity: string;
  status: string;
  message: string;
  next: string | null;
  owner: string | null;
  runId: string | null;
  sessionId: string | null;
  since: string;
  updatedAt: string;
  /** JSON: sink -> what it was told. */
  delivered: string;
}

export interface Tables {
  sessions: SessionRow;
  runs: RunRow;
  steps: StepsTable;
  records: RecordsTable;
  events: EventsTable;
  counters: CountersTable;
  leaders: LeadersTable;
  alerts: AlertsTable;
  removals: RemovalsTable;
}
