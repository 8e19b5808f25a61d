/** A run as it stands in the registry. */
import { z } from 'zod';

import { deathSchema } from './death.ts';
import { json, object, time, whole } from './fields.ts';

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

/** The statuses of steps that are over. */
export const ENDED_STEPS = ['done', 'failed', 'cancelled', 'skipped'] as const;
export const STEP_STATUSES = ['queued', 'running', ...ENDED_STEPS] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** Units of work. At every moment total is the sum of the others. */
export const countsSchema = z.object({
  total: whole,
  queued: whole,
  running: whole,
  done: whole,
  failed: whole,
  cancelled: whole,
  skipped: whole,
});
export type StepCounts = Readonly<z.output<typeof countsSchema>>;

/** The columns of a run's row as the database has them, and the check on reading. Times are UTC, ISO 8601. */
export const runRowSchema = z.object({
  id: z.string(),
  action: z.string(),
  /** As they were given, without secrets. */
  params: json(object.readonly()),
  owner: z.string(),
  status: z.enum(RUN_STATUSES),
  /** The token of the session under which it is being worked on; null when no process works on it. */
  token: whole.nullable(),
  /** The newest token that it was ever worked on under: an older one never begins it again. */
  lastToken: whole,
  /** Names the writer that began it last. A token could be issued a second time by a registry that was restored from a copy. */
  writer: z.string().nullable(),
  cancelRequestedAt: time.nullable(),
  /** Grows with each commit. A writer that meets another number than that of its last commit writes nothing. */
  commitNumber: whole,
  ...countsSchema.shape,
  records: whole,
  sessions: whole,
  /** Units of work begun on a session that was handed down; and those that met another one than they began with. */
  reused: whole,
  contextLosses: whole,
  deaths: json(z.array(deathSchema).readonly()),
  displayDone: z.number().nullable(),
  displayTotal: z.number().nullable(),
  displayLabel: z.string().nullable(),
  errorCode: z.string().nullable(),
  errorMessage: z.string().nullable(),
  /** Dataset -> file. */
  outputs: json(z.record(z.string(), z.string()).readonly()),
  /** For a resume. */
  options: json(object.readonly()),
  host: z.string().nullable(),
  pid: whole.nullable(),
  processIdentity: z.string().nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  updatedAt: time,
  /** The time of the last finished step, record, or word of the action. */
  lastProgressAt: time.nullable(),
  /** Over all its processes. */
  durationMs: z.number(),
});

export const runSchema = runRowSchema.transform((row) => {
  const { cancelRequestedAt, errorCode, errorMessage, displayDone, displayTotal, displayLabel, ...rest } = row;
  const { total, queued, running, done, failed, cancelled, skipped, ...fields } = rest;
  const counts: StepCounts = { total, queued, running, done, failed, cancelled, skipped };
  const label = displayLabel === null ? {} : { label: displayLabel };
  return {
    ...fields,
    counts,
    isCancelRequested: cancelRequestedAt !== null,
    display:
      displayDone === null || displayTotal === null ? null : { done: displayDone, total: displayTotal, ...label },
    error: errorCode === null ? null : { code: errorCode, message: errorMessage ?? '' },
  };
});

/** As the database has it: `params`, `deaths`, `outputs` and `options` are JSON texts. */
export type RunRow = z.input<typeof runSchema>;
export type StoredRun = Readonly<z.output<typeof runSchema>>;
