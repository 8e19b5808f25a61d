/** Converts rows of the registry to answers. Folders, tokens and parameters are left out; texts are redacted once more. */
import type { z } from 'zod';

import { type StoredSession, isLive } from '../../model/session.ts';
import { diagnosisSchema } from '../../model/death.ts';
import { toShownProgress, type StoredRun } from '../../model/run.ts';
import { redactText, redactUrl } from '../../core/redact.ts';
import type { ListedStep, RegistryMetrics, StoredAlert, StoredEvent } from '../../registry/registry.ts';
import { countCreated, toResumeCommand, type Idle } from '../../upkeep/upkeep.ts';
import type { CommandLine } from '../command-line.ts';
import type { HealthLimits, HealthReport } from '../health.ts';
import { publicRun, publicSession } from './shapes.ts';
import type * as shapes from './shapes.ts';
import { toSnakeRow } from './snake-case.ts';

const MINUTE_MS = 60_000;

type Shape<Name extends keyof typeof shapes> = z.output<(typeof shapes)[Name]>;

export function toSessionView(session: StoredSession): Shape<'session'> {
  const { createdAt, endedAt } = session;
  const endMs = endedAt === null ? Date.now() : Date.parse(endedAt);
  return {
    ...toSnakeRow(session, publicSession.keyof().options),
    endpoint: redactOrNull(session.endpoint),
    live_view: isLive(session) ? redactOrNull(session.liveView) : null,
    ended_at: isLive(session) ? null : endedAt,
    age_seconds: Math.max(0, (endMs - Date.parse(createdAt)) / 1_000),
    death: session.death === null ? null : toDeathView(session.death),
    message: redactOrNull(session.errorMessage),
  };
}

/** `commandLine` returns commands as the user types them. */
export function toRunView(run: StoredRun, commandLine: CommandLine): Shape<'run'> {
  const { done, total, percent } = toShownProgress(run);
  return {
    ...toSnakeRow(run, publicRun.keyof().options),
    counts: { ...run.counts },
    progress: { done, total: total ?? 0, percent, label: redactOrNull(run.display?.label ?? null) },
    deaths: run.deaths.map((one) => ({ ...toDeathView(one), at: one.at })),
    error: run.error === null ? null : { code: run.error.code, message: redactText(run.error.message) },
    is_cancel_requested: run.isCancelRequested,
    duration_ms: Math.max(0, run.durationMs),
    resume: run.status === 'completed' ? null : commandLine(...toResumeCommand(run)),
    show: commandLine('runs', `show ${run.id}`),
  };
}

export function toStuckView(idle: Idle): Shape<'stuckSession'> {
  return {
    id: idle.sessionId,
    owner: idle.owner,
    run_id: idle.runId,
    action: idle.action,
    created_at: idle.createdAt,
    last_progress_at: idle.lastProgressAt,
    processing_minutes: Math.round((idle.idleMs / MINUTE_MS) * 10) / 10,
    host: idle.host,
    pid: idle.pid,
  };
}

export function toHealthView(health: HealthReport, limits: HealthLimits): Shape<'sessionHealth'> {
  const { status, totalSessions, report } = health;
  return {
    status,
    timestamp: new Date().toISOString(),
    metrics: {
      total_sessions: totalSessions,
      processing_sessions: report.processing,
      long_running_sessions: report.longRunning.length,
      stuck_sessions: report.stuck.length,
    },
    thresholds: toThresholdsView(limits),
  };
}

export function toThresholdsView({ warningMs, timeoutMs, maxLongRunning }: HealthLimits) {
  return {
    warning_minutes: warningMs / MINUTE_MS,
    timeout_minutes: timeoutMs / MINUTE_MS,
    max_long_running: maxLongRunning,
  };
}

export function toEventView({ type, owner, sessionId, runId, status, message, at }: StoredEvent): Shape<'event'> {
  return {
    type,
    session_id: sessionId,
    run_id: runId,
    owner,
    status,
    message: redactOrNull(message),
    timestamp: at,
  };
}

export function toStepView({ batch, key, status, code, message, item }: ListedStep): Shape<'step'> {
  return {
    batch: redactOrNull(batch),
    key: redactText(key),
    status,
    url: toUrl(key) ?? toUrl(parseItem(item)),
    code,
    message: redactOrNull(message),
  };
}

export function toAlertView(alert: StoredAlert): Shape<'alert'> {
  return {
    key: alert.key,
    rule: alert.rule,
    severity: alert.severity,
    message: redactText(alert.message),
    next: redactOrNull(alert.next),
    owner: alert.owner,
    run_id: alert.runId,
    session_id: alert.sessionId,
    since: alert.since,
  };
}

export function toStatisticsView(numbers: RegistryMetrics): Shape<'statistics'> {
  const { cleanups } = numbers;
  return {
    timestamp: new Date().toISOString(),
    sessions_by_status: { ...numbers.sessionsByStatus },
    runs_by_status: { ...numbers.runsByStatus },
    sessions_created: countCreated(numbers),
    sessions_reused: numbers.sessionsReused,
    reuse_ratio: numbers.reuseRatio,
    rapid_creates: numbers.rapidCreates,
    context_losses: numbers.contextLosses,
    deaths: numbers.deaths.map(({ detectedBy, ...one }) => ({ ...one, detected_by: detectedBy })),
    work_cancelled: { ...numbers.workCancelled },
    steps_by_status: { ...numbers.stepsByStatus },
    average_session_seconds: numbers.averageSessionSeconds,
    cleanup_runs: cleanups.runs,
    cleanup_removed: cleanups.removed,
    cleanup_failures: cleanups.failures,
    last_cleanup_at: cleanups.lastAt,
    registry_bytes: numbers.registryBytes,
  };
}

export function toDeathView(death: Readonly<Record<string, unknown>>): Shape<'death'> {
  const { cause, detectedBy, evidence, message } = death;
  const diagnosis = diagnosisSchema.parse(death['diagnosis']);
  const words = message ?? (evidence as { message?: unknown } | undefined)?.message;
  return {
    cause: typeof cause === 'string' ? cause : 'unknown',
    detected_by: typeof detectedBy === 'string' ? detectedBy : 'unknown',
    message: typeof words === 'string' ? redactText(words) : null,
    diagnosis: { ...diagnosis, evidence: diagnosis.evidence.map(redactText) },
  };
}

function redactOrNull(text: string | null): string | null {
  return text === null ? null : redactText(text);
}

/** Returns the item, or its field `url`. */
function parseItem(json: string | null): unknown {
  const item: unknown = JSON.parse(json ?? 'null');
  return typeof item === 'object' && item !== null && 'url' in item ? item.url : item;
}

function toUrl(value: unknown): string | null {
  return typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value) ? redactUrl(value) : null;
}
