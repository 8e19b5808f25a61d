/** Judges the registry's numbers. The functions are pure, so that every caller gets the same verdict. */
import { nameOwners } from './subjects.ts';
import { count } from '../../core/describe-number.ts';
import { judgeAlerts } from '../../monitor/monitor.ts';
import type { RegistryMetrics, StoredAlert } from '../../registry/registry.ts';
import { countCreated, MIN_UNITS_TO_JUDGE, MIN_REUSE_RATIO } from '../../upkeep/upkeep.ts';
import { commandLine } from '../terminal/command-line.ts';

export type Verdict = 'good' | 'watch' | 'bad' | 'too few to judge';
export type Judged =
  'alerts' | 'reuse' | 'rapidCreates' | 'contextLosses' | 'duplicateOwners' | 'deaths' | 'runs' | 'cleanups';

const GOOD_REUSE_RATIO = 0.95;
/** The statuses of runs that ended without all of their data. */
const FAILED_RUNS = ['partial', 'failed', 'halted', 'timed_out'] as const;

/** `alerts` are those that fire. */
export function judge(
  numbers: RegistryMetrics,
  alerts: readonly StoredAlert[] = [],
): Readonly<Record<Judged, Verdict>> {
  const [firing] = judgeAlerts(alerts);
  return {
    alerts: firing === undefined ? 'good' : firing.status === 'critical' ? 'bad' : 'watch',
    deaths: numbers.deaths.length === 0 ? 'good' : 'watch',
    runs: failedRuns(numbers).length === 0 ? 'good' : 'watch',
    reuse: judgeReuse(numbers),
    rapidCreates: numbers.rapidCreates === 0 ? 'good' : 'watch',
    contextLosses: numbers.contextLosses === 0 ? 'good' : 'bad',
    duplicateOwners: numbers.duplicateOwners.length === 0 ? 'good' : 'bad',
    cleanups: numbers.cleanups.failures === 0 ? 'good' : 'watch',
  };
}

/** Returns one line: the worst verdict, the reasons, and what to do. */
export function summarizeVerdicts(
  numbers: RegistryMetrics,
  verdicts: Readonly<Record<Judged, Verdict>>,
  alerts: readonly StoredAlert[] = [],
): string {
  const deaths = numbers.deaths.reduce((sum, { number }) => sum + number, 0);
  const failed = failedRuns(numbers);
  const reasons: Readonly<Record<Judged, string>> = {
    duplicateOwners: `${count(numbers.duplicateOwners.length, 'owner')} with more than one live session (${nameOwners(numbers.duplicateOwners)}): end all but one by ${commandLine('sessions', 'end <id>')}`,
    contextLosses: `${count(numbers.contextLosses, 'unit')} of work met another session than the one it began with: report it`,
    alerts: `${judgeAlerts(alerts)[0]?.reason ?? ''}; what to do: ${commandLine('health')}`,
    runs: `${failed.map(({ number, status }) => `${count(number, 'run')} ${status.replace('_', ' ')}`).join(', ')}: see ${commandLine('runs', `list --status ${failed[0]?.status ?? ''}`)}`,
    deaths: `${count(deaths, 'session')} died: see ${commandLine('sessions', 'list --all')}`,
    reuse: 'too many sessions for the work that is done: pass one on instead of starting one for each task',
    rapidCreates: 'sessions of one owner are started in quick succession: pass one on instead',
    cleanups: 'clean-ups failed: see the log',
  };
  const order = Object.keys(reasons) as Judged[];
  const found = (['bad', 'watch'] as const).flatMap((verdict) =>
    order.filter((name) => verdicts[name] === verdict).map((name) => ({ verdict, reason: reasons[name] })),
  );
  const [worst] = found;
  if (worst !== undefined) return `Verdict: ${worst.verdict}: ${found.map(({ reason }) => reason).join('; ')}.`;
  const rest =
    verdicts.reuse === 'good' ? 'sessions are reused as they should be' : 'too little work to judge the reuse';
  return `Verdict: good: no owner has more than one live session, no work lost its session, no session died, no run failed, no alert fires; ${rest}.`;
}

function failedRuns({ runsByStatus }: RegistryMetrics) {
  return FAILED_RUNS.map((status) => ({ status, number: runsByStatus[status] ?? 0 })).filter(
    ({ number }) => number > 0,
  );
}

function judgeReuse(numbers: RegistryMetrics): Verdict {
  const { sessionsReused, reuseRatio } = numbers;
  const units = sessionsReused + countCreated(numbers);
  if (reuseRatio === null || units < MIN_UNITS_TO_JUDGE) return 'too few to judge';
  if (reuseRatio >= GOOD_REUSE_RATIO) return 'good';
  return reuseRatio >= MIN_REUSE_RATIO ? 'watch' : 'bad';
}
