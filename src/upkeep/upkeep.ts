/**
 * Cleans up: stuck work, leftovers and old data. Invariants: work in progress is never affected; the failure of one object does not stop
 * the clean-up of the others; all decisions come from the registry's data, so that every process decides the same.
 */
export { CleanupError } from './errors.ts';
export {
  endLeftovers,
  endSession,
  isAbandoned,
  isPresent,
  isProcessOfRunGone,
  reapAbandoned,
  reapForgotten,
  type ReaperOptions,
} from './reaper.ts';
export { removeLeftTemporaryFiles, temporaryPath } from './temporary-files.ts';
export { toResumeCommand } from './resume-words.ts';
export { describeIdle, endTimedOut, resetStuck, timeOutStuck, type StuckReset } from './stuck-reset.ts';
export {
  DEFAULT_CLEANUP_POLICY,
  removalAgeHours,
  type CleanupKind,
  type CleanupPolicy,
  type CleanupRule,
} from './cleanup-policy.ts';
export { UnreleasedSessions, type UnreleasedResult } from './unreleased-sessions.ts';
export { SessionCleanup, type SessionMetrics } from './session-cleanup.ts';
export {
  allowanceOf,
  findStuck,
  sizeOf,
  type Idle,
  type StuckFacts,
  type StuckReport,
  type StuckThresholds,
} from './stuck.ts';
export {
  countCreated,
  HEALTH_STATUSES,
  MIN_UNITS_TO_JUDGE,
  MIN_REUSE_RATIO,
  judgeUtilisation,
  toHealth,
  toStatistics,
  type HealthStatus,
  type SessionHealth,
  type SessionStatistics,
} from './statistics.ts';
