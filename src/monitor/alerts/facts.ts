/** The input of the alert rules. It is read from the registry, so that every monitor comes to the same findings. */
import { diagnosisSchema, type Diagnosis } from '../../model/death.ts';
import { LIVE_STATUSES, type StoredSession } from '../../model/session.ts';
import type { StoredRun } from '../../model/run.ts';
import type { Registry } from '../../registry/registry.ts';
import { countCreated, type StuckReport } from '../../upkeep/upkeep.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** The window of rates. */
const RATE_WINDOW_MS = 600_000;
/** The limit for rows of one kind. More rows would not change a finding. */
const MAX_ROWS = 1_000;

export interface AlertFacts {
  readonly report: StuckReport;
  /** Runs that timed out or were halted within the last day and were not resumed. */
  readonly endedRuns: readonly StoredRun[];
  /** Sessions without a run that were timed out within the last hour. */
  readonly timedOutSessions: readonly StoredSession[];
  /** The deaths within the last ten minutes. */
  readonly recentDeaths: readonly RecentDeath[];
  /** The owners of the rapid creates within the last ten minutes. */
  readonly recentRapidCreates: readonly string[];
  /** The clients of the wrong tokens that were reported within the last ten minutes. */
  readonly wrongTokenClients: readonly string[];
  readonly activeSessions: number;
  readonly reuseRatio: number | null;
  /** The number of sessions created plus reused. If it is small, the ratio is not meaningful. */
  readonly unitsOfWork: number;
  /** The clean-ups of the last day. */
  readonly cleanups: { readonly runs: number; readonly failures: number };
  /** The size of the monitor's own data. */
  readonly memoryBytes: number;
  /** The jobs of the monitor, and by how much each is late. */
  readonly overdue: readonly { readonly name: string; readonly byMs: number }[];
}

export interface RecentDeath {
  readonly cause: string;
  readonly diagnosis: Diagnosis;
}

/** The facts that the monitor has without the registry. */
export type OwnFacts = Pick<AlertFacts, 'report' | 'memoryBytes' | 'overdue'>;

export async function readFacts(registry: Registry, own: OwnFacts): Promise<AlertFacts> {
  const since = (ms: number) => new Date(Date.now() - ms).toISOString();
  const { sessions, runs, events, metrics } = registry;
  const recently = since(RATE_WINDOW_MS);
  const [ended, timedOut, dead, starting, guesses, cleanups, numbers] = await Promise.all([
    runs.list({ status: ['timed_out', 'halted'], limit: MAX_ROWS }),
    sessions.list({ status: 'timed_out', limit: MAX_ROWS }),
    events.listLatest({ limit: MAX_ROWS, types: ['session_dead'], since: recently }),
    events.listLatest({ limit: MAX_ROWS, types: ['session_starting'], since: recently }),
    events.listLatest({ limit: MAX_ROWS, types: ['wrong_tokens'], since: recently }),
    events.listLatest({ limit: MAX_ROWS, types: ['cleanup'], since: since(DAY_MS) }),
    metrics.read(),
  ]);
  return {
    ...own,
    endedRuns: ended.filter(({ endedAt }) => endedAt !== null && endedAt >= since(DAY_MS)),
    timedOutSessions: timedOut.filter(
      ({ endedAt, runId }) => runId === null && endedAt !== null && endedAt >= since(HOUR_MS),
    ),
    recentDeaths: dead.map(({ data }) => ({
      cause: nameIn(data, 'cause'),
      diagnosis: diagnosisSchema.parse(data?.['diagnosis']),
    })),
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
