/** A run's row in the words of the program. */
import { z } from 'zod';

import { RegistryError } from '../errors.ts';
import type { StepStatus } from './run-store.ts';
import { RUN_STATUSES, type RunsTable, type StoredRunStatus } from '../sql/schema.ts';

/** A run as it stands in the registry. Times are UTC, ISO 8601. */
export interface StoredRun {
  readonly id: string;
  readonly action: string;
  /** As they were given, without secrets. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly owner: string;
  readonly status: StoredRunStatus;
  /** Null when no process works on it. */
  readonly token: number | null;
  readonly isCancelRequested: boolean;
  readonly commitNumber: number;
  /** At every moment total is the sum of the others. */
  readonly counts: Readonly<Record<'total' | StepStatus, number>>;
  readonly records: number;
  readonly sessions: number;
  readonly reused: number;
  readonly contextLosses: number;
  readonly deaths: readonly Readonly<Record<string, unknown>>[];
  readonly display: { readonly done: number; readonly total: number; readonly label?: string } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Dataset -> file. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly host: string | null;
  readonly pid: number | null;
  readonly processIdentity: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly updatedAt: string;
  /** Of the last finished step, record, or word of the action. */
  readonly lastProgressAt: string | null;
  /** Over all its processes. */
  readonly durationMs: number;
}

const status = z.enum(RUN_STATUSES);
const time = z.iso.datetime();
const maybeTime = time.nullable();
const objects = z.array(z.record(z.string(), z.unknown()));
const object = z.record(z.string(), z.unknown());
const texts = z.record(z.string(), z.string());

/** Throws {@link RegistryError} naming a row that can't be what it says. */
export function toStoredRun(row: RunsTable): StoredRun {
  const run = readRun(row);
  if (run !== undefined) return run;
  throw new RegistryError(
    `The registry's row of run ${row.id} is damaged. Restore the registry from a copy, or remove the run (\`registry.runs.remove\`).`,
    { data: { runId: row.id } },
  );
}

/** Undefined for a row that can't be what it says. */
export function readRun(row: RunsTable): StoredRun | undefined {
  try {
    return read(row);
  } catch {
    // What is wrong with it helps nobody; which one it is, is told by whoever needs it.
    return undefined;
  }
}

function read(row: RunsTable): StoredRun {
  const { total, queued, running, done, failed, cancelled, skipped } = row;
  const label = row.display_label === null ? {} : { label: row.display_label };
  return {
    id: row.id,
    action: row.action,
    params: object.parse(JSON.parse(row.params)),
    owner: row.owner,
    status: status.parse(row.status),
    token: row.token,
    isCancelRequested: row.cancel_requested_at !== null,
    commitNumber: row.commit_number,
    counts: { total, queued, running, done, failed, cancelled, skipped },
    records: row.records,
    sessions: row.sessions,
    reused: row.reused,
    contextLosses: row.context_losses,
    deaths: objects.parse(JSON.parse(row.deaths)),
    display:
      row.display_done === null || row.display_total === null
        ? null
        : { done: row.display_done, total: row.display_total, ...label },
    error: row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    outputs: texts.parse(JSON.parse(row.outputs)),
    options: object.parse(JSON.parse(row.options)),
    host: row.host,
    pid: row.pid,
    processIdentity: row.process_identity,
    createdAt: time.parse(row.created_at),
    startedAt: maybeTime.parse(row.started_at),
    endedAt: maybeTime.parse(row.ended_at),
    updatedAt: time.parse(row.updated_at),
    lastProgressAt: maybeTime.parse(row.last_progress_at),
    durationMs: row.duration_ms,
  };
}
