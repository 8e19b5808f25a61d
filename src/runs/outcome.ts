/** The outcome of a run, in the one shape that the summary, `--json` and the library share. */
import type { Death } from '../model/death.ts';
import { CancelledError, describeError, SupervisorError, type ErrorReport } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { describeSpan } from '../core/describe-time.ts';
import { LeaseLostError, RegistryDivergedError } from '../registry/registry.ts';
import { RestartLimitError, SessionDeathError } from '../supervisor/supervisor.ts';

export type RunStatus = 'completed' | 'partial' | 'failed' | 'halted' | 'timed_out' | 'cancelled';

/** The numbers of distinct steps and batch items by their latest status. At every moment `total` is the sum of the others. */
export interface RunCounts {
  readonly total: number;
  readonly queued: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
}

/** The progress of a run at one moment. */
export interface RunProgress {
  readonly counts: RunCounts;
  /** The ended units and all units for a display: a step that contains other units is not counted beside them. */
  readonly units: { readonly done: number; readonly total: number };
  /** The last call of `ctx.progress`; null if there was none. */
  readonly display: { readonly done: number; readonly total: number; readonly label?: string } | null;
  readonly records: number;
  readonly sessions: number;
  readonly deaths: readonly Death[];
  readonly state: 'starting' | 'running' | 'recovering' | 'finishing';
  /** The queue of the Grid while a session of the run waits in it for a free slot; otherwise null. */
  readonly queue: { readonly queued: number; readonly slots: number; readonly sessions: number } | null;
}

export interface RunOutcome {
  readonly runId: string;
  readonly action: string;
  readonly status: RunStatus;
  readonly owner: string;
  /** At the end nothing is queued or running. */
  readonly counts: Omit<RunCounts, 'queued' | 'running'>;
  readonly records: number;
  /** The number of browser sessions that were used. */
  readonly sessions: number;
  readonly deaths: readonly Death[];
  readonly error: ErrorReport | null;
  /** One sentence for each possible fault of the action that lost no data, such as a finished step that a later entry did not ask for. */
  readonly warnings: readonly string[];
  /** The names of the steps that were done again although an interrupted attempt had sent a request that is not idempotent. */
  readonly repeatedEffects: readonly string[];
  readonly durationMs: number;
  /** Dataset -> file. */
  readonly outputs: Readonly<Record<string, string>>;
  /** The report of the run, an HTML file; null if there is none. */
  readonly report: string | null;
}

/** No step finished, no record was saved and `ctx.progress` was not called within the time of SESSION_TIMEOUT_MINUTES. */
export class RunTimeoutError extends SupervisorError {
  readonly code = 'run-timed-out';
  readonly consequence = 'abort-run';

  constructor(limitMs: number) {
    super(
      `The run made no progress for ${describeSpan(limitMs)} and was ended. If one step may take so long, raise SESSION_TIMEOUT_MINUTES or call ctx.progress.`,
      { data: { limitMs } },
    );
  }
}

export function toStatus(error: Error): RunStatus {
  if (error instanceof SessionDeathError) return error.death.cause === 'timed_out' ? 'timed_out' : 'halted';
  if (error instanceof LeaseLostError) return error.data['status'] === 'timed_out' ? 'timed_out' : 'halted';
  if (error instanceof RestartLimitError) return 'halted';
  if (error instanceof RunTimeoutError) return 'timed_out';
  return error instanceof CancelledError ? 'cancelled' : 'failed';
}

/** Returns whether this process must not export the run's data: another process has the run, or the registry has lost data. */
export function isRunLost(reason: unknown): boolean {
  return reason instanceof LeaseLostError || reason instanceof RegistryDivergedError;
}

/** Returns whether there is nothing to recover: another process has the owner now, or the run was ended from outside. */
export function isTakenAway({ cause }: Death): boolean {
  return cause === 'lease-lost' || cause === 'timed_out';
}

/** Returns the error of a run that its caller ended: the abort reason if it is our error, otherwise a `CancelledError` with it as cause. */
export function toCancelled(reason: unknown): Error {
  return reason instanceof SupervisorError ? reason : new CancelledError(undefined, { cause: reason });
}

export function toReport(error: Error | undefined): RunOutcome['error'] {
  if (error === undefined) return null;
  const { code, message } = describeError(error);
  return { code, message: redactText(message) };
}

/**
 * Returns the exit code of the `run` command for an outcome: 0 completed, 1 partial or failed, 2 no first session could be started,
 * 3 halted, 4 the owner is busy or no capacity is free, 5 timed out, 130 cancelled.
 */
export function exitCodeOf({ status, error, sessions }: Pick<RunOutcome, 'status' | 'error' | 'sessions'>): number {
  const isStart = sessions === 0 && (error?.code === 'session-start-failed' || error?.code === 'invalid-config');
  if (isStart) return 2;
  if (error?.code === 'session-busy' || error?.code === 'session-capacity') return 4;
  return { completed: 0, partial: 1, failed: 1, halted: 3, timed_out: 5, cancelled: 130 }[status];
}
