/** A run as the registry stores it. */
import { z } from 'zod';

import { deathSchema } from './death.ts';
import { json, object, time, whole } from './fields.ts';

/** The statuses of a run, in the order in which a run takes them. */
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
/** The statuses of runs that have come to their end. With the others there is work left, which a resume does. */
export const FINISHED_STATUSES = ['completed', 'partial'] as const satisfies readonly StoredRunStatus[];

export function isFinished(status: StoredRunStatus): boolean {
  return FINISHED_STATUSES.some((finished) => finished === status);
}

/** The statuses of steps that have ended. */
export const ENDED_STEPS = ['done', 'failed', 'cancelled', 'skipped'] as const;
export const STEP_STATUSES = ['queued', 'running', ...ENDED_STEPS] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** The numbers of units of work. At every moment `total` is the sum of the others. */
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

/** The columns of a run's row in the database; validates each row that is read. Times are UTC, ISO 8601. */
export const runRowSchema = z.object({
  id: z.string(),
  action: z.string(),
  /** The parameters as the user gave them, without secrets. */
  params: json(object.readonly()),
  owner: z.string(),
  status: z.enum(RUN_STATUSES),
  /** The token of the lease under which a process works on the run; null if no process does. */
  token: whole.nullable(),
  /** The newest token under which a process has worked on the run. The run never begins again under an older one. */
  lastToken: whole,
  /** The name of the writer that began the run last. A registry that was restored from a copy can issue a token a second time. */
  writer: z.string().nullable(),
  cancelRequestedAt: time.nullable(),
  /** Grows with each commit. A writer that finds another number than that of its own last commit writes nothing. */
  commitNumber: whole,
  ...countsSchema.shape,
  records: whole,
  sessions: whole,
  /** The number of units that began on an existing session of the run; and of units that ended with another session than their first. */
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
  /** The options that a resume of the run needs. */
  options: json(object.readonly()),
  host: z.string().nullable(),
  pid: whole.nullable(),
  processIdentity: z.string().nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  updatedAt: time,
  /** The time of the last finished step, saved record, or call of `ctx.progress`. */
  lastProgressAt: time.nullable(),
  /** The time that all its processes together have worked on it. */
  durationMs: z.number(),
  /** The run that this one is a shard of, and its position among the shards, from 0; null for a run that is no shard. */
  parentId: z.string().nullable(),
  shard: whole.nullable(),
  /** The number of shards of a parent; null for a run that does its work itself. */
  shards: whole.nullable(),
  /** The number of times that a worker took the shard. */
  attempts: whole,
  /** The time at which the last worker gave the shard up; null while another attempt may follow. */
  givenUpAt: time.nullable(),
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

export interface ShownProgress {
  /** Units as the action counts them, otherwise steps and items that are done or skipped. */
  readonly done: number;
  /** Null if it is not known: an action that reports none may begin more steps until it ends. */
  readonly total: number | null;
  /** Whole, rounded down; null without a total. */
  readonly percent: number | null;
}

/** Returns how far a run is, for everything that shows it. */
export function toShownProgress({ display, counts, status }: StoredRun): ShownProgress {
  const { done, total } = display ?? {
    done: counts.done + counts.skipped,
    total: isFinished(status) ? counts.total : 0,
  };
  // An action that is beyond its total has found more to do.
  if (total === 0 || done > total) return { done, total: null, percent: null };
  return { done, total, percent: Math.floor((100 * done) / total) };
}

/** The row in the database: `params`, `deaths`, `outputs` and `options` are JSON texts. */
export type RunRow = z.input<typeof runSchema>;
export type StoredRun = Readonly<z.output<typeof runSchema>>;
