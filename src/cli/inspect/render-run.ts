/** All facts about a run, one line per field. */
import { listAdvice } from '../../model/death-words.ts';
import { describeStoredDeath } from '../run/describe-death.ts';
import { count, describeNumbers, describeUnits } from '../../core/describe-number.ts';
import { RUN_STATUSES, toShownProgress, type StoredRun } from '../../model/run.ts';
import type { StoredSession } from '../../model/session.ts';
import { redactValue } from '../../core/redact.ts';
import { quoteForShell, toFlag } from '../../core/shell-words.ts';
import { commandLine } from '../terminal/command-line.ts';
import { describeFiles } from '../run/summarize.ts';
import { isRunLeft, resumeLine } from './stored-run.ts';
import type { FoundReports } from '../../runs/runs.ts';
import { renderFields, type Field } from '../terminal/text-table.ts';
import { toSafeLine } from '../terminal/safe-text.ts';
import { describeDuration, describeTime } from '../../core/describe-time.ts';

const MAX_SHARDS_SHOWN = 20;
const NO_REPORTS: FoundReports = { report: null, recordings: [] };

export interface RunSurroundings extends Partial<FoundReports> {
  /** The shards of a parent. */
  readonly shards?: readonly StoredRun[];
  /** The live sessions of the run. */
  readonly sessions?: readonly StoredSession[];
}

export function renderRun(run: StoredRun, surroundings: RunSurroundings = {}): string {
  const { report, recordings, shards, sessions } = { ...NO_REPORTS, shards: [], sessions: [], ...surroundings };
  const { startedAt, endedAt, lastProgressAt, error, host, pid } = run;
  const fields: readonly Field[] = [
    ['id', run.id],
    ['action', run.action],
    ['status', describeStatus(run)],
    ['error', error === null ? null : `${error.code}: ${error.message}`],
    ['owner', run.owner],
    ['params', describeParams(run.params)],
    ['shards', shards.length === 0 ? null : describeShards(shards)],
    ['attempts', run.parentId === null ? null : String(run.attempts)],
    ['steps', describeUnits(run.counts)],
    ['progress', describeProgress(run)],
    ['records', describeRecords(run)],
    ['sessions', `${run.sessions}; ${count(run.reused, 'unit')} of work used an open one`],
    ['live view', sessions.map(({ liveView }) => liveView).filter((url) => url !== null)],
    [
      'deaths',
      run.deaths.length === 0 ? 'none' : run.deaths.map((death) => describeStoredDeath(death, death.evidence.message)),
    ],
    ['advice', listAdvice(run.deaths)],
    ['files', describeFiles(run.outputs)],
    ['report', report],
    ['recordings', recordings.map(({ file }) => file)],
    ['process', host === null ? null : `${host}:${pid}`],
    ['created', describeTime(run.createdAt)],
    ['started', startedAt === null ? 'not yet' : describeTime(startedAt)],
    ['advanced', lastProgressAt === null ? null : describeTime(lastProgressAt)],
    ['ended', endedAt === null ? null : describeTime(endedAt)],
    ['took', describeDuration(run.durationMs)],
  ];
  return renderFields(fields, describeNext(run));
}

/** Returns the stored row for programs, without secrets, and the paths of its reports if they are given. */
export function runToJson(run: StoredRun, reports?: FoundReports): object {
  return {
    ...run,
    params: redactValue(run.params),
    error: redactValue(run.error),
    isProcessGone: isRunLeft(run),
    ...(reports && { report: reports.report, recordings: reports.recordings.map(({ file }) => file) }),
  };
}

/** Returns the number of shards by status, and a line for each one that was tried again or did not complete. */
function describeShards(shards: readonly StoredRun[]): readonly string[] {
  const numbers = Object.groupBy(shards, ({ status }) => status);
  const byStatus = Object.fromEntries(Object.entries(numbers).map(([name, { length }]) => [name, length]));
  const notable = shards.filter(
    ({ status, attempts, error }) =>
      attempts > 1 || error !== null || ['failed', 'halted', 'timed_out'].includes(status),
  );
  const lines = notable.slice(0, MAX_SHARDS_SHOWN).map(({ id, status, attempts, error }) => {
    const reason = error === null ? '' : `: ${error.message}`;
    return `${id} ${status}, ${count(attempts, 'attempt')}${toSafeLine(reason)}`;
  });
  const more = notable.length > lines.length ? [`and ${notable.length - lines.length} more`] : [];
  return [describeNumbers(byStatus, RUN_STATUSES), ...lines, ...more];
}

function describeStatus(run: StoredRun): string {
  if (isRunLeft(run)) return `${run.status}, but its process is gone: no process works on it`;
  return run.isCancelRequested && run.status === 'processing' ? `${run.status}, asked to end` : run.status;
}

/** Returns the parameters as flags of `run`. */
function describeParams(params: StoredRun['params']): string {
  const flags = Object.entries(redactValue(params) as StoredRun['params']).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).map((one) => describeFlag(toFlag(name), one)),
  );
  return flags.length === 0 ? 'none' : flags.join(' ');
}

function describeFlag(name: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? `--${name}` : `--no-${name}`;
  const text = quoteForShell(typeof value === 'string' ? value : JSON.stringify(value));
  return text.startsWith('-') ? `--${name}=${text}` : `--${name} ${text}`;
}

/** `120 of 525 (22 %): page 3`, or `120 so far` if the action reports no total. */
function describeProgress(run: StoredRun): string {
  const { done, total, percent } = toShownProgress(run);
  const label = run.display?.label === undefined ? '' : `: ${toSafeLine(run.display.label)}`;
  return total === null ? `${done} so far${label}` : `${done} of ${total} (${percent} %)${label}`;
}

function describeRecords({ records, outputs }: StoredRun): string {
  if (records === 0) return 'none';
  return Object.keys(outputs).length > 0 ? String(records) : `${records}; the run wrote no file of them`;
}

function describeNext(run: StoredRun): string[] {
  const { id, status, records, outputs } = run;
  const exportLine = commandLine('runs', `export ${id}`);
  if (status === 'completed') return [exportLine];
  const isAtWork = status === 'processing' && !isRunLeft(run);
  const isUnwritten = records > 0 && Object.keys(outputs).length === 0;
  return [isAtWork ? commandLine('runs', `cancel ${id}`) : resumeLine(run), ...(isUnwritten ? [exportLine] : [])];
}
