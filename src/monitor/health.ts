/** The health of the registry's work with its reasons. It is computed from the registry for each request, so that it is always current. */
import type { Config } from '../config/config.ts';
import type { Registry, StoredAlert } from '../registry/registry.ts';
import { describeSpan } from '../core/describe-time.ts';
import { HEALTH_STATUSES, judgeUtilisation, type HealthStatus, type StuckReport } from '../upkeep/upkeep.ts';

/** The number of active sessions that the design allows for. */
export const MAX_ACTIVE_SESSIONS = 1_000;
const PERCENT = 100;

export interface HealthLimits {
  readonly warningMs: number;
  readonly timeoutMs: number;
  readonly maxLongRunning: number;
  /** The maximum for one process. */
  readonly maxSessions: number;
}

export function toHealthLimits(config: Config): HealthLimits {
  return {
    warningMs: config.warningThresholdMs,
    timeoutMs: config.sessionTimeoutMs,
    maxLongRunning: config.maxLongRunningSessions,
    maxSessions: config.maxSessions,
  };
}

export interface HealthReport {
  readonly status: HealthStatus;
  /** The reasons why it is not healthy; empty if it is. */
  readonly reasons: readonly string[];
  readonly totalSessions: number;
  readonly activeSessions: number;
  readonly report: StuckReport;
  /** The sessions of the fullest process divided by its maximum. */
  readonly utilisation: number;
  /** The alerts that fire. */
  readonly alerts: readonly StoredAlert[];
}

export async function readHealth(
  registry: Registry,
  { report, limits }: { readonly report: StuckReport; readonly limits: HealthLimits },
): Promise<HealthReport> {
  const byHolder = await registry.sessions.countByHolder();
  const totalSessions = await registry.sessions.count();
  const activeSessions = byHolder.reduce((sum, number) => sum + number, 0);
  const utilisation = Math.max(0, ...byHolder) / limits.maxSessions;
  const alerts = await listFiring(registry);
  const reasons = [...judge({ report, activeSessions, utilisation }, limits), ...judgeAlerts(alerts)];
  return {
    status: worstOf(reasons.map(({ status }) => status)),
    reasons: reasons.map(({ reason }) => reason),
    totalSessions,
    activeSessions,
    report,
    utilisation,
    alerts,
  };
}

/** Returns the alerts that fire, as the monitor that leads has raised them, or left them. */
export async function listFiring({ alerts }: Pick<Registry, 'alerts'>): Promise<StoredAlert[]> {
  return (await alerts.list()).filter(({ status }) => status === 'firing');
}

export interface Judgement {
  readonly status: HealthStatus;
  readonly reason: string;
}

/** Returns nothing only if no alert fires; otherwise the worst severity. */
export function judgeAlerts(alerts: readonly StoredAlert[]): Judgement[] {
  if (alerts.length === 0) return [];
  const rules = [...new Set(alerts.map(({ rule }) => rule))].join(', ');
  return [
    {
      status: worstOf(alerts.map(({ severity }) => severity)),
      reason: `${alerts.length === 1 ? '1 alert fires' : `${alerts.length} alerts fire`}: ${rules}`,
    },
  ];
}

export function worstOf(statuses: readonly HealthStatus[]): HealthStatus {
  return HEALTH_STATUSES.findLast((status) => statuses.includes(status)) ?? 'healthy';
}

function* judge(
  { report, activeSessions, utilisation }: Pick<HealthReport, 'report' | 'activeSessions' | 'utilisation'>,
  { timeoutMs, warningMs, maxLongRunning }: HealthLimits,
): Generator<Judgement> {
  const { stuck, longRunning } = report;
  if (stuck.length > 0)
    yield { status: 'critical', reason: `${stuck.length} stuck: no progress for more than ${describeSpan(timeoutMs)}` };
  if (longRunning.length > maxLongRunning)
    yield {
      status: 'warning',
      reason: `${longRunning.length} without progress for more than ${describeSpan(warningMs)}; more than ${maxLongRunning} are too many`,
    };
  const byUse = judgeUtilisation(utilisation);
  if (byUse !== 'healthy')
    yield {
      status: byUse,
      reason: `a process has ${Math.round(utilisation * PERCENT)} % of the sessions that it may have`,
    };
  if (activeSessions > MAX_ACTIVE_SESSIONS)
    yield { status: 'warning', reason: `${activeSessions} active sessions, more than ${MAX_ACTIVE_SESSIONS}` };
}
