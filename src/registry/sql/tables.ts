/**
 * The tables for Kysely, whose plugin maps the column `run_id` to `runId`. Times are UTC ISO text of our clock; leases are milliseconds of
 * the database's clock.
 */
import type { Generated } from 'kysely';

import type { RunRow } from '../../model/run.ts';
import type { SessionRow } from '../../model/session.ts';

export interface StepsTable {
  runId: string;
  /** The id, made of batch and key, so that an index accepts keys of any length. */
  id: string;
  batch: string | null;
  key: string;
  /** The position in the order of first declaration. */
  ord: number;
  status: string;
  /** JSON; null if the step returned nothing. */
  value: string | null;
  errorCode: string | null;
  /** The message of a failure, or the reason of a skipped step. */
  message: string | null;
  /** The key of the item whose worker added this one; `item` is the item as JSON. */
  addedBy: string | null;
  item: string | null;
  /** The row id of the step that contains this one; null for a step of `run` itself. */
  within: string | null;
  /** 1 if the step sent something that is not idempotent. */
  effects: number;
}

export interface RecordsTable {
  runId: string;
  /** The id, made of dataset and key. */
  id: string;
  dataset: string;
  key: string;
  json: string;
  /** The export order: `ord` is that of the step, `position` that of saving within the step. */
  ord: number;
  position: number;
  /** The position of a record that was saved outside of steps; `saves` is the number of its saves. */
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

/** Totals that outlive the rows from which they were counted. */
export interface CountersTable {
  name: string;
  label: string;
  value: number;
}

/** The leaders: for each work that only one of several programs may do, the program that does it. */
export interface LeadersTable {
  office: string;
  holder: string;
  host: string;
  pid: number;
  since: string;
  /** The end of the lease in milliseconds since 1970, by the clock of the database. */
  expiresMs: number;
}

/** Removed runs whose steps and records have still to be removed. */
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
  /** The last notice to each sink, as JSON. */
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
