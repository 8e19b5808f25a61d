/**
 * What is stuck: pure, so that the run itself, the monitor and a person's command come to the same. Progress is a finished step, a record or
 * the action's own word; a probe or a heartbeat is none.
 */
import { type StoredSession, isLive } from '../model/session.ts';
import type { StoredRun } from '../model/run.ts';

/** A run of so many units is allowed twice as long; the last finished unit of a long run tells less about the next one. */
const UNITS_PER_ALLOWANCE = 1_000;
const MOST_ALLOWANCES = 3;

export interface StuckThresholds {
  readonly warningMs: number;
  readonly timeoutMs: number;
}

/** A run that is being worked on, or a session without one, and for how long nothing came of it. */
export interface Idle {
  /** Of a run its main session, null where that is gone. */
  readonly sessionId: string | null;
  /** Null for a session that no run works with. */
  readonly runId: string | null;
  readonly action: string | null;
  readonly owner: string;
  readonly host: string | null;
  readonly pid: number | null;
  readonly createdAt: string;
  /** UTC, ISO 8601, as the registry has it. */
  readonly lastProgressAt: string;
  readonly idleMs: number;
  /** Beyond it, it is stuck. */
  readonly allowedMs: number;
}

export interface StuckReport {
  /** Live sessions with a run that is being worked on. */
  readonly processing: number;
  /** Idle beyond the warning threshold, the stuck ones included; the longest first. */
  readonly longRunning: readonly Idle[];
  /** Idle beyond the timeout; the longest first. */
  readonly stuck: readonly Idle[];
}

export interface StuckFacts {
  /** Those that are being worked on. */
  readonly runs: readonly StoredRun[];
  /** Those that live. */
  readonly sessions: readonly StoredSession[];
  /** How long a machine was asleep since then: nobody could make progress. */
  readonly pausedMs?: (host: string | null, since: number) => number;
  readonly now?: number;
}

/** How much longer than the settings say something of that many units may be without progress: 1 to 3. */
export function allowanceOf(units: number): number {
  return Math.min(1 + Math.max(0, units) / UNITS_PER_ALLOWANCE, MOST_ALLOWANCES);
}

/** The units that are known of, or that the action speaks of. */
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
