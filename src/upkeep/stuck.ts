/**
 * Decides what is stuck. The functions are pure, so that the run, the monitor and the operator's command get the same result. Progress is
 * a finished step, a record or a progress report of the action. A probe or a heartbeat is not progress.
 */
import { type StoredSession, isLive } from '../model/session.ts';
import type { StoredRun } from '../model/run.ts';

/**
 * A run with this number of units is allowed twice the time. In a long run, the last finished unit is a weaker indication of when the
 * next one will finish.
 */
const UNITS_PER_ALLOWANCE = 1_000;
const MAX_ALLOWANCE_FACTOR = 3;

export interface StuckThresholds {
  readonly warningMs: number;
  readonly timeoutMs: number;
}

/** A run in progress, or a session without a run, and the time for which it has made no progress. */
export interface Idle {
  /** The session, or the main session of a run; null if it is gone. */
  readonly sessionId: string | null;
  /** The run; null for a session without a run. */
  readonly runId: string | null;
  readonly action: string | null;
  readonly owner: string;
  readonly host: string | null;
  readonly pid: number | null;
  readonly createdAt: string;
  /** The time in UTC, ISO 8601, as stored in the registry. */
  readonly lastProgressAt: string;
  readonly idleMs: number;
  /** The idle time beyond which it is stuck. */
  readonly allowedMs: number;
}

export interface StuckReport {
  /** The number of live sessions with a run in progress. */
  readonly processing: number;
  /** Runs and sessions that are idle beyond the warning threshold, including the stuck ones; the longest first. */
  readonly longRunning: readonly Idle[];
  /** Runs and sessions that are idle beyond the timeout; the longest first. */
  readonly stuck: readonly Idle[];
}

export interface StuckFacts {
  /** The runs in progress. */
  readonly runs: readonly StoredRun[];
  /** The live sessions. */
  readonly sessions: readonly StoredSession[];
  /** Returns the time in milliseconds that a machine has slept since `since`, in which no progress was possible. */
  readonly pausedMs?: (host: string | null, since: number) => number;
  readonly now?: number;
}

/** Returns the factor from 1 to 3 by which work with this number of units may exceed the allowed time without progress. */
export function allowanceOf(units: number): number {
  return Math.min(1 + Math.max(0, units) / UNITS_PER_ALLOWANCE, MAX_ALLOWANCE_FACTOR);
}

/** Returns the number of units that are known or that the action has announced. */
export function sizeOf({ counts, display }: Pick<StoredRun, 'counts' | 'display'>): number {
  return Math.max(counts.total, display?.total ?? 0);
}

export function findStuck(
  { runs, sessions, pausedMs = () => 0, now = Date.now() }: StuckFacts,
  { warningMs, timeoutMs }: StuckThresholds,
): StuckReport {
  const working = new Map(runs.filter(({ status }) => status === 'processing').map((run) => [run.id, run]));
  const live = sessions.filter(isLive);
  const withRun = live.filter(({ runId }) => runId !== null && working.has(runId));
  const idleSince = (host: string | null, at: string) =>
    Math.max(0, now - Date.parse(at) - pausedMs(host, Date.parse(at)));
  const main = new Map(withRun.map((session) => [`${session.token} ${session.runId}`, session]));
  const ofRuns = [...working.values()].map((run) => {
    const session = main.get(`${run.token} ${run.id}`);
    const lastProgressAt = run.lastProgressAt ?? run.startedAt ?? run.createdAt;
    const { host, pid } = run;
    return {
      sessionId: session?.id ?? null,
      runId: run.id,
      action: run.action,
      owner: run.owner,
      host,
      pid,
      createdAt: session?.createdAt ?? run.createdAt,
      lastProgressAt,
      idleMs: idleSince(host, lastProgressAt),
      allowance: allowanceOf(sizeOf(run)),
    };
  });
  const alone = live
    .filter(({ runId }) => runId === null || !working.has(runId))
    .map(({ id, owner, host, pid, createdAt, lastUsedAt }) => ({
      sessionId: id,
      runId: null,
      action: null,
      owner,
      host,
      pid,
      createdAt,
      lastProgressAt: lastUsedAt,
      idleMs: idleSince(host, lastUsedAt),
      allowance: 1,
    }));
  const all = [...ofRuns, ...alone].toSorted((a, b) => b.idleMs - a.idleMs);
  const beyond = (limitMs: number): Idle[] =>
    all
      .filter(({ idleMs, allowance }) => idleMs > limitMs * allowance)
      .map(({ allowance, ...idle }) => ({ ...idle, allowedMs: timeoutMs * allowance }));
  return { processing: withRun.length, longRunning: beyond(warningMs), stuck: beyond(timeoutMs) };
}
