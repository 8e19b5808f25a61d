/** The rule for which rows of sessions a clean-up removes: the clean-up itself and its dry run follow it. */
import type { SessionStatus } from '../model/session.ts';

/** The hours for which the rows of sessions are stored after their end. */
export interface CleanupPolicy {
  /** The maximum for any session. Default 24. */
  readonly anyHours: number;
  /** The hours for sessions that died or timed out. Default 1. */
  readonly failedHours: number;
  /** The hours for sessions that ended normally. Default 6. */
  readonly endedHours: number;
}

export const DEFAULT_CLEANUP_POLICY: CleanupPolicy = { anyHours: 24, failedHours: 1, endedHours: 6 };

export type CleanupKind = 'policy' | 'failed' | 'completed' | 'all';

export interface CleanupRule {
  readonly kind: CleanupKind;
  /** The minimum age in hours. It replaces the default age of each kind. */
  readonly olderThanHours?: number | undefined;
  readonly policy?: CleanupPolicy;
}

const FAILED_STATUSES: readonly SessionStatus[] = ['dead', 'timed_out'];
const ENDED_STATUSES: readonly SessionStatus[] = ['ended', 'expired'];
export const REMOVABLE_STATUSES: readonly SessionStatus[] = [...FAILED_STATUSES, ...ENDED_STATUSES];

/** Returns the hours after its end from which a session of this status is removed; undefined if it stays. */
export function removalAgeHours(
  status: SessionStatus,
  { kind, olderThanHours, policy = DEFAULT_CLEANUP_POLICY }: CleanupRule,
): number | undefined {
  const isFailed = FAILED_STATUSES.includes(status);
  if (!isFailed && !ENDED_STATUSES.includes(status)) return undefined;
  if (kind === (isFailed ? 'completed' : 'failed')) return undefined;
  if (olderThanHours !== undefined) return olderThanHours;
  if (kind !== 'policy') return 0;
  return Math.min(policy.anyHours, isFailed ? policy.failedHours : policy.endedHours);
}
