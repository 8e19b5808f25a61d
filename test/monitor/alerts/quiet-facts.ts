/** The facts of a monitor without trouble, and limits, for tests of the alert rules. */
import { NO_DIAGNOSIS } from '../../../src/model/death.ts';
import type { AlertFacts, RecentDeath } from '../../../src/monitor/alerts/facts.ts';
import type { AlertLimits } from '../../../src/monitor/alerts/rules.ts';

export const LIMITS: AlertLimits = {
  maxLongRunning: 3,
  maxMemoryBytes: 100_000_000,
  commandLine: (command, rest = '') => `npm run ${command}${rest === '' ? '' : ` -- ${rest}`}`,
};
export const QUIET: AlertFacts = {
  report: { processing: 0, longRunning: [], stuck: [] },
  endedRuns: [],
  timedOutSessions: [],
  recentDeaths: [],
  recentRapidCreates: [],
  wrongTokenClients: [],
  activeSessions: 0,
  reuseRatio: null,
  unitsOfWork: 0,
  cleanups: { runs: 0, failures: 0 },
  memoryBytes: 0,
  overdue: [],
};

export function makeRecentDeaths(cause: string, number: number, diagnosis = NO_DIAGNOSIS): RecentDeath[] {
  return Array.from({ length: number }, () => ({ cause, diagnosis }));
}
