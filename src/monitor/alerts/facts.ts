/** What the rules of alerts look at: read from the registry at one time, so that any monitor comes to the same. */
import { LIVE_STATUSES, type StoredSession } from '../../model/session.ts';
import type { StoredRun } from '../../model/run.ts';
import { type Registry } from '../../registry/registry.ts';
import { countCreated, type StuckReport } from '../../upkeep/upkeep.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Over it rates are taken. */
const RATE_WINDOW_MS = 600_000;
/** More of one kind than this say nothing more. */
const MOST = 1_000;

export interface AlertFacts {
  readonly report: StuckReport;
  /** Runs that ended badly within the last day and that nobody has gone on with. */
  readonly endedRuns: readonly StoredRun[];
  /** Sessions without a run that were timed out within the last hour. */
  readonly timedOutSessions: readonly StoredSession[];
  /** Causes of the deaths of the last ten minutes. */
  readonly recentDeaths: readonly string[];
  /** Owners of the last ten minutes' rapid creates. */
  readonly recentRapidCreates: readonly string[];
  /** Clients that sent the wrong tokens that were reported within the last ten minutes. */
  readonly wrongTokenClients: readonly string[];
  readonly activeSessions: number;
  readonly reuseRatio: number | null;
  /** Sessions created and units of work done on them: too few say nothing of the ratio. */
  readonly unitsOfWork: number;
  /** Of the last day. */
  readonly cleanups: { readonly runs: number; readonly failures: number };
  /** Of the monitor's own data. */
  readonly memoryBytes: number;
  /** Jobs of the monitor that are late, and by how much. */
  readonly overdue: readonly { readonly name: string; readonly byMs: number }[];
}

/** What the monitor knows of itself. */
export type OwnFacts = Pick<AlertFacts, 'report' | 'memoryBytes' | 'overdue'>;

export async function readFacts(registry: Registry, own: OwnFacts): Promise<AlertFacts> {
  const since = (ms: number) => new Date(Date.now() - ms).toISOString();
  const { sessions, runs, events, metrics } = registry;
  const recently = since(RATE_WINDOW_MS);
  const [ended, timedOut, dead, starting, guesses, cleanups, numbers] = await Promise.all([
    runs.list({ status: ['timed_out', 'halted'], limit: MOST }),
    sessions.list({ status: 'timed_out', limit: MOST }),
    events.listLatest({ limit: MOST, types: ['session_dead'], since: recently }),
    events.listLatest({ limit: MOST, types: ['session_starting'], since: recently }),
    events.listLatest({ limit: MOST, types: ['wrong_tokens'], since: recently }),
    events.listLatest({ limit: MOST, types: ['cleanup'], since: since(DAY_MS) }),
    metrics.read(),
  ]);
  return {
    ...own,
    endedRuns: ended.filter(({ endedAt }) => endedAt !== null && endedAt >= since(DAY_MS)),
    timedOutSessions: timedOut.filter(
      ({ endedAt, runId }) => runId === null && endedAt !== null && endedAt >= since(HOUR_MS),
    ),
    recentDeaths: dead.map(({ data }) => nameIn(data, 'cause')),
    recentRapidCreates: starting.filter(({ data }) => data?.['isRapid'] === true).map(({ owner }) => owner ?? ''),
    wrongTokenClients: guesses.map(({ data }) => nameIn(data, 'client')),
    activeSessions: LIVE_STATUSES.reduce((sum, status) => sum + (numbers.sessionsByStatus[status] ?? 0), 0),
    reuseRatio: numbers.reuseRatio,
    unitsOfWork: countCreated(numbers) + numbers.sessionsReused,
    cleanups: { runs: cleanups.length, failures: cleanups.filter(({ data }) => hasErrors(data)).length },
  };
}

function nameIn(data: Readonly<Record<string, unknown>> | null, field: string): string {
  const name = data?.[field];
  return typeof name === 'string' ? name : 'unknown';
}

function hasErrors(data: Readonly<Record<string, unknown>> | null): boolean {
  const errors = data?.['errors'];
  return Array.isArray(errors) && errors.length > 0;
}
