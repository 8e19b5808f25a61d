/** Computes statistics about sessions from the registry's data only, so that every process gets the same numbers. */
import { SESSION_STATUSES, type SessionStatus } from '../model/session.ts';
import type { RegistryMetrics, SessionGroup } from '../registry/registry.ts';

/**
 * The minimum number of steps, items and the sessions created for them. One session that does twenty steps has a reuse of 95 %; smaller
 * numbers do not show the reuse.
 */
export const MIN_UNITS_TO_JUDGE = 20;
/** The reuse below which a warning is reported. */
export const MIN_REUSE_RATIO = 0.9;
const HOUR_MS = 3_600_000;
/** The shares of the capacity from which the status is a warning or critical. */
const WARNING_UTILISATION = 0.7;
const CRITICAL_UTILISATION = 0.9;

export interface SessionStatistics {
  /** The number of rows, history included. */
  readonly total: number;
  /** The maximum number of sessions of this process; `utilisation` is the share of it that is in use. */
  readonly capacity: number;
  readonly utilisation: number;
  readonly byStatus: Readonly<Record<SessionStatus, number>>;
  readonly byAge: {
    readonly under1h: number;
    readonly from1hTo6h: number;
    readonly from6hTo24h: number;
    readonly over24h: number;
  };
  readonly averageAgeMs: number | null;
  readonly oldest: string | null;
  readonly newest: string | null;
}

export const HEALTH_STATUSES = ['healthy', 'warning', 'critical'] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

export interface SessionHealth {
  readonly status: HealthStatus;
  readonly utilisation: number;
  /** The number of runs without progress, and of sessions without a run and without a command, for longer than the session timeout. */
  readonly stuck: number;
  readonly isCleanupAlive: boolean;
}

/** Returns the statistics. Ages are exact to a minute. */
export function toStatistics(
  groups: readonly SessionGroup[],
  { capacity, held, now = Date.now() }: { readonly capacity: number; readonly held: number; readonly now?: number },
): SessionStatistics {
  // Damaged rows are left out here. The clean-up reports and repairs them.
  const known = groups
    .map((group) => ({ ...group, ageMs: now - (Date.parse(group.oldest) + Date.parse(group.newest)) / 2 }))
    .filter(({ status, ageMs }) => (SESSION_STATUSES as readonly string[]).includes(status) && !Number.isNaN(ageMs));
  const sum = (some: typeof known) => some.reduce((total, { number }) => total + number, 0);
  const between = (from: number, to: number) =>
    sum(known.filter(({ ageMs }) => ageMs >= from * HOUR_MS && ageMs < to * HOUR_MS));
  const total = sum(known);
  return {
    total,
    capacity,
    utilisation: held / capacity,
    byStatus: Object.fromEntries(
      SESSION_STATUSES.map((status) => [status, sum(known.filter((group) => group.status === status))]),
    ) as Record<SessionStatus, number>,
    byAge: {
      under1h: between(-Infinity, 1),
      from1hTo6h: between(1, 6),
      from6hTo24h: between(6, 24),
      over24h: between(24, Infinity),
    },
    averageAgeMs: total === 0 ? null : known.reduce((all, { ageMs, number }) => all + ageMs * number, 0) / total,
    oldest: known.map(({ oldest }) => oldest).toSorted()[0] ?? null,
    newest:
      known
        .map(({ newest }) => newest)
        .toSorted()
        .at(-1) ?? null,
  };
}

export function toHealth({
  utilisation,
  stuck,
  isCleanupAlive,
}: Pick<SessionHealth, 'utilisation' | 'stuck' | 'isCleanupAlive'>): SessionHealth {
  const byUse = judgeUtilisation(utilisation);
  return {
    status: byUse === 'healthy' && (stuck > 0 || !isCleanupAlive) ? 'warning' : byUse,
    utilisation,
    stuck,
    isCleanupAlive,
  };
}

/** Returns the status for a utilisation, which is a share from 0 to 1. */
export function judgeUtilisation(utilisation: number): HealthStatus {
  if (utilisation < WARNING_UTILISATION) return 'healthy';
  return utilisation < CRITICAL_UTILISATION ? 'warning' : 'critical';
}

/** Returns the number of created sessions of all owners. */
export function countCreated({ sessionsCreated }: Pick<RegistryMetrics, 'sessionsCreated'>): number {
  return Object.values(sessionsCreated).reduce((sum, number) => sum + number, 0);
}
