/** The summary of a run for users: first what went wrong, then the evidence, the symptoms, the counts, the files and the next command. */
import { describeDuration } from '../../core/describe-time.ts';
import { count, describeUnits, listSome } from '../../core/describe-number.ts';
import { toPlainLine } from '../../core/plain-text.ts';
import type { Death } from '../../model/death.ts';
import { findRootCause, RUN_VERBS, type Rehearsal, type RunOutcome } from '../../runs/runs.ts';
import { describeDeath, tallyCauses } from './describe-death.ts';
import { listAdvice } from '../../model/death-words.ts';

const MAX_COMMANDS_SHOWN = 5;
const MAX_CONSEQUENCES_SHOWN = 3;
const MAX_ADVICE_SHOWN = 3;
const MAX_WARNINGS_SHOWN = 10;
const MAX_STEPS_SHOWN = 10;
const MAX_KILLS_SHOWN = 10;

export interface SummaryOptions {
  /** The command that repeats the run. */
  readonly again: string;
  /** The command that repeats the run and waits until its owner is free. */
  readonly wait?: string;
  /** The command that resumes the run. */
  readonly resume?: string | undefined;
  /** The command that writes the run's files into another folder. */
  readonly exportTo?: string;
  /** The location of the failure, as `file:line:column`. */
  readonly failedAt?: string | undefined;
  /** The page with the last seconds before the last death or failed step, if the run did not complete. */
  readonly recording?: string | undefined;
}

/** Returns lines without line breaks, also if the text of a page or an error contains some. */
export function summarize(outcome: RunOutcome, options: SummaryOptions): string[] {
  const { deaths, status } = outcome;
  const rootCause = findRootCause(outcome);
  return [
    ...(rootCause === undefined ? [] : [`${describeDeath(rootCause, outcome.counts)}.`]),
    ...(rootCause === undefined ? [] : describeEvidence(rootCause)),
    ...describeError(outcome, { ...options, isSymptom: rootCause !== undefined }),
    `${outcome.action} ${RUN_VERBS[status]} after ${describeDuration(outcome.durationMs)}: ${describeRecords(outcome)}.`,
    ...(status === 'completed' || status === 'partial'
      ? describeSurvival(deaths)
      : describeEarlierDeaths(deaths, rootCause)),
    ...describeWarnings(outcome),
    ...describeRepeatedEffects(outcome),
    row('steps', describeUnits(outcome.counts)),
    ...describeFiles(outcome.outputs).map((file) => row('data', file)),
    ...(outcome.report === null ? [] : [row('report', outcome.report)]),
    ...(options.recording === undefined ? [] : [row('recording', options.recording)]),
    ...rows('advice', listAdvice(deaths), MAX_ADVICE_SHOWN),
    row('next', describeNext(outcome, options)),
  ].map(toPlainLine);
}

/** Reports whether the action replays well, and what to look at if it does not. */
export function describeRehearsal(rehearsal: Rehearsal): string[] {
  const { kills, killedAt, notReached, differences, repeatedEffects, warnings } = rehearsal;
  if (kills === 0 && differences.length === 0)
    return [
      'The rehearsal killed no session: the action has no steps. Put its work into steps, or all of it is done again after a death.',
    ];
  const killed = `${count(kills, 'session')} killed`;
  const verdict =
    differences.length === 0
      ? `The action replays well: ${killed}, and the data are the same.`
      : `The action does not replay well: ${killed}, and the result differs.`;
  return [
    verdict,
    ...rows('killed', killedAt, MAX_KILLS_SHOWN),
    // A rehearsal that found a difference ends early.
    ...(differences.length > 0 ? [] : rows('not there', notReached, MAX_KILLS_SHOWN)),
    ...rows('different', differences),
    ...describeWarnings({ warnings }),
    ...describeRepeatedEffects({ repeatedEffects }),
  ].map(toPlainLine);
}

function describeEvidence({
  evidence,
  diagnosis,
  cancelled,
  consequences,
  detectedAfterMs,
  lastHeartbeatAt,
}: Death): string[] {
  const commands = evidence.lastCommands.slice(-MAX_COMMANDS_SHOWN);
  const { queued, inFlight, refused } = cancelled;
  const silence =
    detectedAfterMs === null
      ? []
      : [row('silent for', `${detectedAfterMs} ms; last sign of life ${lastHeartbeatAt ?? 'none'}`)];
  return [
    ...rows('evidence', [...diagnosis.evidence.slice(1), evidence.message]),
    ...(evidence.url === null ? [] : [row('page', evidence.url)]),
    ...silence,
    ...rows('commands', commands),
    row('symptoms', `work ended by it: ${queued} queued, ${inFlight} under way; ${refused} refused afterwards`),
    ...rows('', consequences, MAX_CONSEQUENCES_SHOWN),
  ];
}

function describeError(
  { error, status }: RunOutcome,
  { failedAt, isSymptom }: SummaryOptions & { isSymptom: boolean },
): string[] {
  if (error === null || status === 'cancelled') return [];
  // Its message would repeat the root cause.
  if (error.code === 'session-dead' && isSymptom) return [];
  const where = failedAt === undefined ? '' : ` (${failedAt})`;
  return isSymptom ? [row('then', `${error.code}: ${error.message}`)] : [`${error.code}: ${error.message}${where}`];
}

function describeSurvival(deaths: readonly Death[]): string[] {
  return deaths.length === 0
    ? []
    : [row('deaths', `survived ${count(deaths.length, 'death')}: ${tallyCauses(deaths)}`)];
}

function describeEarlierDeaths(deaths: readonly Death[], rootCause: Death | undefined): string[] {
  const earlier = rootCause === undefined ? deaths : deaths.slice(0, -1);
  if (earlier.length === 0) return [];
  return [
    row(
      'deaths',
      `${rootCause === undefined ? '' : 'before this one, '}survived ${count(earlier.length, 'death')}: ${tallyCauses(earlier)}`,
    ),
  ];
}

/** One line per text, with its number if it came several times; the number of texts beyond {@link MAX_WARNINGS_SHOWN}. */
function describeWarnings({ warnings }: Pick<RunOutcome, 'warnings'>): string[] {
  const groups = Map.groupBy(warnings, (warning) => warning.replaceAll(/\s*\n\s*/g, ' '));
  const lines = [...groups].map(([text, { length }]) => (length === 1 ? text : `${text} (${length} times)`));
  return rows('warnings', lines, MAX_WARNINGS_SHOWN);
}

function describeRepeatedEffects({ repeatedEffects }: Pick<RunOutcome, 'repeatedEffects'>): string[] {
  if (repeatedEffects.length === 0) return [];
  const names = listSome(repeatedEffects, MAX_STEPS_SHOWN);
  return [
    row('repeated', `These steps were done again although an interrupted attempt had already sent something: ${names}`),
  ];
}

function describeRecords({ records, sessions, outputs }: RunOutcome): string {
  const files = Object.keys(outputs).length;
  const kept = records > 0 && files === 0 ? ' (not written to a file)' : '';
  return `${count(records, 'record')}${kept}, ${count(sessions, 'browser session')}`;
}

/** Returns the next command for the user, with the reason if it is not obvious. */
export function describeNext(
  { status, outputs, sessions, error }: RunOutcome,
  { again, wait = again, resume, exportTo }: SummaryOptions,
): string {
  const [file] = Object.values(outputs);
  if (status === 'completed') return file === undefined ? again : describeLook(file);
  if (error?.code === 'session-busy') return wait;
  // Without a session there is no run to resume.
  if (sessions === 0 || resume === undefined) return again;
  if (error?.code === 'export-failed' && exportTo !== undefined) return `${exportTo}   (the data are stored)`;
  const isOfAction = error?.code === 'replay-diverged' || error?.code === 'action-error';
  return `${resume}   (${isOfAction ? 'when the action is corrected' : 'does the remaining work'})`;
}

/** Returns each file of a run, with its dataset if that has a name of its own. */
export function describeFiles(outputs: Readonly<Record<string, string>>): string[] {
  return Object.entries(outputs).map(([dataset, file]) => (dataset === 'records' ? file : `${file} (${dataset})`));
}

/** The command that shows the first records of a file. `file` is quoted for a shell if it needs to be. */
export function describeLook(file: string): string {
  return file.replace(/'$/, '').endsWith('.gz') ? `gzip -dc ${file} | head -n 3` : `head -n 3 ${file}`;
}

/** One row per text, the name only before the first, and a row with the number of those beyond `max`. */
function rows(name: string, texts: readonly string[], max = texts.length): string[] {
  const more = texts.length - max;
  return [...texts.slice(0, max), ...(more > 0 ? [`and ${more} more`] : [])].map((text, index) =>
    row(index === 0 ? name : '', text),
  );
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(10)} ${text}`;
}
