/** The alert rules as data. Each rule checks the facts and returns its findings. */
import type { StoredRun } from '../../model/run.ts';
import { describeSpan } from '../../core/describe-time.ts';
import { describeIdle, MIN_UNITS_TO_JUDGE, MIN_REUSE_RATIO, toResumeCommand, type Idle } from '../../upkeep/upkeep.ts';
import type { CommandLine } from '../command-line.ts';
import { MAX_ACTIVE_SESSIONS } from '../health.ts';
import type { AlertFacts, RecentDeath } from './facts.ts';
import type { Severity } from './notice.ts';

/** One finding of a rule. The subject distinguishes several findings of one rule. */
export interface Finding {
  /** The id of a run or a session; null if the finding is about the whole registry. */
  readonly subject: string | null;
  readonly message: string;
  /** The command to type next. */
  readonly next: string;
  readonly owner?: string;
  readonly runId?: string;
  readonly sessionId?: string;
}

export interface AlertRule {
  readonly name: string;
  readonly severity: Severity;
  readonly find: (facts: AlertFacts, limits: AlertLimits) => readonly Finding[];
}

export interface AlertLimits {
  readonly maxLongRunning: number;
  readonly maxMemoryBytes: number;
  readonly commandLine: CommandLine;
}

const MAX_DEATHS = 10;
const MAX_CLEANUP_FAILURE_RATIO = 0.05;
const MAX_OVERDUE_MS = 300_000;
const MAX_NAMES = 3;

/** The names of the rules that need the check for stuck work. */
export const STUCK_RULES: readonly string[] = ['stuck', 'long-running', 'degradation'];

export const ALERT_RULES: readonly AlertRule[] = [
  {
    name: 'stuck',
    severity: 'critical',
    find: ({ report, endedRuns, timedOutSessions }, { commandLine }) => [
      ...report.stuck.map((idle) => ({
        ...aboutIdle(idle),
        message: `${nameIdle(idle)} is stuck: ${describeIdle(idle)}.`,
        next: commandLine('reset-stuck', '--execute'),
      })),
      ...endedRuns
        .filter(({ status }) => status === 'timed_out')
        .map((run) => ({
          ...aboutRun(run),
          message: `${nameRun(run)} was stuck and was timed out: ${reasonOf(run)}. ${storedOf(run)}`,
          next: resumeOf(run, commandLine),
        })),
      ...timedOutSessions.map(({ id, owner, errorMessage }) => ({
        subject: id,
        owner,
        sessionId: id,
        message: `The session of "${owner}" was stuck and was timed out: ${errorMessage ?? 'no command'}.`,
        next: commandLine('sessions', `show ${id}`),
      })),
    ],
  },
  {
    name: 'long-running',
    severity: 'warning',
    find: ({ report: { longRunning, stuck } }, { commandLine }) =>
      longRunning
        .filter((idle) => !stuck.some((one) => subjectOf(one) === subjectOf(idle)))
        .map((idle) => ({
          ...aboutIdle(idle),
          message: `${nameIdle(idle)} may be stuck: ${describeIdle(idle)}.`,
          next:
            idle.runId === null
              ? commandLine('sessions', `show ${idle.sessionId}`)
              : commandLine('runs', `show ${idle.runId}`),
        })),
  },
  {
    name: 'degradation',
    severity: 'critical',
    find: ({ report: { longRunning } }, { maxLongRunning, commandLine }) =>
      onlyIf(longRunning.length > maxLongRunning, {
        message: `${longRunning.length} runs or sessions make no progress. More than ${maxLongRunning} at a time mean that a service that they use is slow or down.`,
        next: commandLine('health'),
      }),
  },
  {
    name: 'restart-limit',
    severity: 'critical',
    find: ({ endedRuns }, { commandLine }) =>
      endedRuns
        .filter(({ error }) => error?.code === 'restart-limit')
        .map((run) => ({
          ...aboutRun(run),
          message: `${nameRun(run)} stopped because its sessions died too often. ${reasonOf(run)}. ${storedOf(run)}`,
          next: resumeOf(run, commandLine),
        })),
  },
  {
    name: 'abandoned',
    severity: 'critical',
    find: ({ endedRuns }, { commandLine }) =>
      endedRuns
        .filter(({ status, error }) => status === 'halted' && error?.code === 'lease-lost')
        .map((run) => ({
          ...aboutRun(run),
          message: `${nameRun(run)} lost its process or its session: ${reasonOf(run)}. ${storedOf(run)}`,
          next: resumeOf(run, commandLine),
        })),
  },
  {
    name: 'death-rate',
    severity: 'warning',
    find: ({ recentDeaths }, { commandLine }) =>
      onlyIf(recentDeaths.length > MAX_DEATHS, {
        message: `${recentDeaths.length} sessions died within 10 min. ${describeMostFrequent(recentDeaths)}`,
        next: commandLine('metrics'),
      }),
  },
  {
    name: 'cleanup-failures',
    severity: 'warning',
    find: ({ cleanups: { runs, failures } }, { commandLine }) =>
      onlyIf(runs > 0 && failures / runs > MAX_CLEANUP_FAILURE_RATIO, {
        message: `${failures} of the ${runs} clean-ups of the last day failed. The monitor's log and the events contain the reasons.`,
        next: commandLine('sessions', 'cleanup'),
      }),
  },
  {
    name: 'memory',
    severity: 'warning',
    find: ({ memoryBytes }, { maxMemoryBytes, commandLine }) =>
      onlyIf(memoryBytes > maxMemoryBytes, {
        message: `The monitor's own data take ${toMegabytes(memoryBytes)} MB, more than SESSION_MAX_MEMORY_MB allows (${toMegabytes(maxMemoryBytes)}).`,
        next: commandLine('sessions', 'cleanup --execute'),
      }),
  },
  {
    name: 'active-sessions',
    severity: 'warning',
    find: ({ activeSessions }, { commandLine }) =>
      onlyIf(activeSessions > MAX_ACTIVE_SESSIONS, {
        message: `${activeSessions} sessions are active, more than ${MAX_ACTIVE_SESSIONS}.`,
        next: commandLine('sessions'),
      }),
  },
  {
    name: 'scheduler-silent',
    severity: 'critical',
    find: ({ overdue }, { commandLine }) =>
      overdue
        .filter(({ byMs }) => byMs > MAX_OVERDUE_MS)
        .map(({ name, byMs }) => ({
          subject: name,
          message: `The monitor's ${name} is overdue by ${describeSpan(byMs)}. The monitor's log contains the reason.`,
          next: commandLine('health'),
        })),
  },
  {
    name: 'reuse-ratio',
    severity: 'warning',
    find: ({ reuseRatio, unitsOfWork }, { commandLine }) =>
      onlyIf(reuseRatio !== null && unitsOfWork >= MIN_UNITS_TO_JUDGE && reuseRatio < MIN_REUSE_RATIO, {
        message: `Only ${Math.floor((reuseRatio ?? 0) * 100)} % of the work was done on an existing session. Pass sessions down instead of starting new ones.`,
        next: commandLine('metrics'),
      }),
  },
  {
    name: 'rapid-creates',
    severity: 'warning',
    find: ({ recentRapidCreates }, { commandLine }) =>
      onlyIf(recentRapidCreates.length > 0, {
        message: `Sessions of one owner were started in quick succession, ${describeTimes(recentRapidCreates.length)} within 10 min (${nameSome(recentRapidCreates)}).`,
        next: commandLine('metrics'),
      }),
  },
  {
    name: 'wrong-tokens',
    severity: 'warning',
    find: ({ wrongTokenClients }, { commandLine }) =>
      onlyIf(wrongTokenClients.length > 0, {
        message: `The monitor's token is perhaps being guessed: 10 or more wrong tokens came within 10 min, some of them from ${nameSome(wrongTokenClients)}. If that is one of your programs, give it the right MONITOR_TOKEN.`,
        next: commandLine('health'),
      }),
  },
];

function onlyIf(isSo: boolean, finding: Pick<Finding, 'message' | 'next'>): Finding[] {
  return isSo ? [{ subject: null, ...finding }] : [];
}

function subjectOf({ runId, sessionId }: Idle): string {
  return runId ?? sessionId ?? '';
}

function aboutIdle(idle: Idle): Pick<Finding, 'subject' | 'owner' | 'runId' | 'sessionId'> {
  const { runId, sessionId, owner } = idle;
  return {
    subject: subjectOf(idle),
    owner,
    ...(runId !== null && { runId }),
    ...(sessionId !== null && { sessionId }),
  };
}

function aboutRun({ id, owner }: StoredRun): Pick<Finding, 'subject' | 'owner' | 'runId'> {
  return { subject: id, owner, runId: id };
}

function nameIdle({ runId, action, owner }: Idle): string {
  return runId === null ? `The session of "${owner}"` : `Run ${runId} of ${action} (owner "${owner}")`;
}

function nameRun({ id, action, owner }: StoredRun): string {
  return `Run ${id} of ${action} (owner "${owner}")`;
}

function reasonOf({ error, status }: StoredRun): string {
  return (error?.message ?? status).replace(/[.\s]+$/, '');
}

function storedOf({ counts: { done, total }, records }: StoredRun): string {
  return `${done} of ${total} units and ${records} records are stored.`;
}

function resumeOf(run: StoredRun, commandLine: CommandLine): string {
  return commandLine(...toResumeCommand(run));
}

function mostFrequent(names: readonly string[]): string {
  const groups = [...Map.groupBy(names, (name) => name)].toSorted(([, a], [, b]) => b.length - a.length);
  const [name = 'unknown', some = []] = groups[0] ?? [];
  return `${name} (${some.length})`;
}

/** The most frequent cause, and the advice for the most frequent known reason. */
function describeMostFrequent(deaths: readonly RecentDeath[]): string {
  const cause = `The most frequent cause is ${mostFrequent(deaths.map((death) => death.cause))}`;
  const known = deaths.filter(({ diagnosis }) => diagnosis.reason !== 'unknown');
  if (known.length === 0) return `${cause}.`;
  const reason = mostFrequent(known.map(({ diagnosis }) => diagnosis.reason));
  const advice = known.find(({ diagnosis }) => reason.startsWith(`${diagnosis.reason} `))?.diagnosis.advice ?? '';
  return `${cause}, the most frequent reason is ${reason}. ${advice}`.trimEnd();
}

function nameSome(all: readonly string[]): string {
  const names = [...new Set(all)];
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  return `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
}

function describeTimes(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function toMegabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000);
}
