/** How a run ended, in the one shape that people's summaries, `--json` and the library share. */
import type { ErrorReport } from '../core/errors.ts';
import type { Death } from '../supervisor/supervisor.ts';

export type RunStatus = 'completed' | 'partial' | 'failed' | 'halted' | 'timed_out' | 'cancelled';

/** Distinct steps and batch items, each at its latest status. At every moment total is the sum of the others. */
export interface RunCounts {
  readonly total: number;
  readonly queued: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly skipped: number;
}

export interface RunOutcome {
  readonly runId: string;
  readonly action: string;
  readonly status: RunStatus;
  readonly owner: string;
  /** At the end nothing is queued or running. */
  readonly counts: Omit<RunCounts, 'queued' | 'running'>;
  readonly records: number;
  /** Browser sessions that were used. */
  readonly sessions: number;
  readonly deaths: readonly Death[];
  readonly error: ErrorReport | null;
  readonly durationMs: number;
  /** Dataset -> file. */
  readonly outputs: Readonly<Record<string, string>>;
}

/** 0 completed · 1 partial or failed · 3 halted · 5 timed out · 130 cancelled; a first start that failed is 2. */
export function toExitCode({ status, error, sessions }: Pick<RunOutcome, 'status' | 'error' | 'sessions'>): number {
  const isStart = sessions === 0 && (error?.code === 'session-start-failed' || error?.code === 'invalid-config');
  if (isStart) return 2;
  return { completed: 0, partial: 1, failed: 1, halted: 3, timed_out: 5, cancelled: 130 }[status];
}
