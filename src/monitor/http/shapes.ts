/**
 * The shapes of the monitor's answers. The routes' schemas and the OpenAPI document are made from these. Times are UTC, ISO 8601; names are
 * in snake case.
 */
import { z } from 'zod';
import { DEATH_REASONS } from '../../model/death.ts';
import { countsSchema, runRowSchema, STEP_STATUSES } from '../../model/run.ts';
import { sessionSchema } from '../../model/session.ts';
import { toSnakeShape } from './snake-case.ts';

const time = z.iso.datetime();
const count = z.int().min(0);

export const health = z.enum(['healthy', 'warning', 'critical']).meta({
  description: 'the worst status of all checks',
});

export const death = z.object({
  cause: z.string(),
  detected_by: z.string(),
  message: z.string().nullable(),
  diagnosis: z
    .object({
      reason: z.enum(DEATH_REASONS),
      confidence: z.enum(['certain', 'likely', 'none']),
      evidence: z.array(z.string()).meta({ description: 'the facts that show the reason' }),
      advice: z.string().nullable().meta({ description: 'how to prevent the next death' }),
    })
    .meta({ description: 'why the session died; the reason is unknown if no fact shows it' }),
});

/** The fields of a session's row that are answered unchanged. */
export const publicSession = sessionSchema.pick({
  id: true,
  owner: true,
  status: true,
  epoch: true,
  runId: true,
  webdriverId: true,
  host: true,
  pid: true,
  endpoint: true,
  createdAt: true,
  startedAt: true,
  lastHeartbeatAt: true,
  lastUsedAt: true,
  endedAt: true,
});

export const session = toSnakeShape(publicSession)
  .extend({
    epoch: count.meta({ description: 'n if it is the n-th session of its supervisor' }),
    endpoint: z.string().nullable().meta({ description: 'null if the program started the driver itself' }),
    live_view: z
      .string()
      .nullable()
      .meta({ description: 'the URL of the page of the Grid about the session, while the session is live' }),
    age_seconds: z
      .number()
      .min(0)
      .meta({ description: 'the time from its creation until its end, or until now, in seconds' }),
    death: death.nullable(),
    message: z.string().nullable().meta({ description: 'the reason of its end; null for a normal end' }),
  })
  .meta({ id: 'Session' });

/** The fields of a run's row that are answered unchanged. */
export const publicRun = runRowSchema.pick({
  id: true,
  action: true,
  owner: true,
  status: true,
  records: true,
  sessions: true,
  parentId: true,
  shard: true,
  shards: true,
  attempts: true,
  host: true,
  pid: true,
  createdAt: true,
  startedAt: true,
  lastProgressAt: true,
  endedAt: true,
});

export const run = toSnakeShape(publicRun)
  .extend({
    counts: countsSchema,
    progress: z
      .object({
        done: z.number(),
        total: z.number().meta({ description: '0 if it is not known' }),
        percent: z.int().nullable().meta({ description: 'rounded down; null if the total is not known' }),
        label: z.string().nullable(),
      })
      .meta({ description: 'as the action reports it, otherwise its steps and items that are done' }),
    sessions: count.meta({ description: 'the number of browser sessions that it has used' }),
    deaths: z.array(death.extend({ at: time.nullable() })),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    is_cancel_requested: z.boolean(),
    duration_ms: z.number().min(0),
    resume: z.string().nullable().meta({ description: 'the command that resumes it; null if it is complete' }),
    show: z.string().meta({
      description:
        'the command that prints its details, with the paths of its report and of the recordings of its deaths',
    }),
  })
  .meta({ id: 'Run' });

const next = z.string().nullable();

export const sessions = z.object({ sessions: z.array(session), count: z.int(), next });

export const runs = z.object({ runs: z.array(run), count: z.int(), next });

export const step = z
  .object({
    batch: z.string().nullable().meta({ description: 'null for a step outside of batches' }),
    key: z.string(),
    status: z.enum(STEP_STATUSES),
    url: z.string().nullable().meta({ description: 'if its key or its item is one' }),
    code: z.string().nullable().meta({ description: 'of a failure' }),
    message: z.string().nullable().meta({ description: 'of a failure, or why it was skipped' }),
  })
  .meta({ id: 'Step' });

export const steps = z.object({ steps: z.array(step), count: z.int(), next });

export const records = z.object({
  records: z.array(z.object({ dataset: z.string(), key: z.string(), record: z.unknown() })),
  count: z.int(),
  next,
});

export const stuckSession = z
  .object({
    id: z.string().nullable().meta({ description: 'null if the session of the stuck run is gone' }),
    owner: z.string(),
    run_id: z.string().nullable(),
    action: z.string().nullable(),
    created_at: time,
    last_progress_at: time.meta({
      description: 'the last progress of the run, or the last command of a session without a run',
    }),
    processing_minutes: z.number().min(0).meta({ description: 'minutes since the last progress' }),
    host: z.string().nullable(),
    pid: count.nullable(),
  })
  .meta({ id: 'StuckSession' });

export const stuckSessions = z.object({ stuck_sessions: z.array(stuckSession), count });

export const sessionHealth = z.object({
  status: health,
  timestamp: time,
  metrics: z.object({
    total_sessions: count.meta({ description: 'all sessions, ended ones included' }),
    processing_sessions: count.meta({ description: 'live sessions with a run in progress' }),
    long_running_sessions: count.meta({
      description: 'runs and sessions without progress for longer than the warning threshold',
    }),
    stuck_sessions: count,
  }),
  thresholds: z.object({ warning_minutes: z.number(), timeout_minutes: z.number(), max_long_running: count }),
});

/** `GET /health`. */
export const healthAnswer = z.object({
  status: health,
  timestamp: time,
  reasons: z.array(z.string()).meta({ description: 'why it is not healthy' }),
  registry: z.object({ ok: z.boolean(), place: z.string(), message: z.string().nullable() }),
  sessions: sessionHealth.shape.metrics.extend({ active_sessions: z.int(), utilisation: z.number() }).nullable(),
  thresholds: sessionHealth.shape.thresholds,
  leader: z.object({ is_leader: z.boolean(), holder: z.string().nullable() }),
  sweeper: z.object({ enabled: z.boolean(), last_at: time.nullable() }),
  cleanup: z.object({ enabled: z.boolean(), last_at: time.nullable() }),
});

export const alert = z
  .object({
    key: z.string(),
    rule: z.string(),
    severity: z.enum(['warning', 'critical']),
    message: z.string(),
    next: z.string().nullable().meta({ description: 'the command to type next' }),
    owner: z.string().nullable(),
    run_id: z.string().nullable(),
    session_id: z.string().nullable(),
    since: time,
  })
  .meta({ id: 'Alert' });

export const alerts = z.object({ alerts: z.array(alert) });

export const event = z
  .object({
    type: z.string(),
    session_id: z.string().nullable(),
    run_id: z.string().nullable(),
    owner: z.string().nullable(),
    status: z.string().nullable(),
    message: z.string().nullable(),
    timestamp: time,
  })
  .meta({ id: 'Event' });

export const runEvents = z.object({ events: z.array(event), count: z.int(), next });

export const timeline = z.object({
  from: time,
  to: time,
  bucket_seconds: count,
  buckets: z.array(
    z.object({
      at: time.meta({ description: 'the beginning of the bucket' }),
      sessions_started: count,
      deaths: count,
      timeouts: count,
      runs_started: count,
      runs_ended: count,
    }),
  ),
  deaths: z.array(
    death.extend({
      at: time,
      owner: z.string().nullable(),
      session_id: z.string().nullable(),
      run_id: z.string().nullable(),
    }),
  ),
});

export const statistics = z.object({
  timestamp: time,
  sessions_by_status: z.record(z.string(), count),
  runs_by_status: z.record(z.string(), count),
  sessions_created: count,
  sessions_reused: count,
  reuse_ratio: z.number().nullable(),
  rapid_creates: count,
  context_losses: count,
  deaths: z.array(z.object({ cause: z.string(), detected_by: z.string(), reason: z.string(), number: count })),
  work_cancelled: z.record(z.string(), count),
  steps_by_status: z.record(z.string(), count),
  average_session_seconds: z.number().nullable(),
  cleanup_runs: count,
  cleanup_removed: count,
  cleanup_failures: count,
  last_cleanup_at: time.nullable(),
  registry_bytes: count,
});

export const failure = z
  .object({ error: z.object({ code: z.string(), message: z.string() }) })
  .meta({ id: 'Failure', description: 'the problem and its solution' });
