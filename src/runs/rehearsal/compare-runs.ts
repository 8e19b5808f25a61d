/** Compares the data of an undisturbed run with those of a disturbed run, and names the kill that each difference comes from. */
import type { RecordEntry, Registry } from '../../registry/registry.ts';
import type { RunOutcome } from '../outcome.ts';
import type { PlannedKill } from './plan-kills.ts';
import type { WatchedRun } from './watched-run.ts';

const MAX_DIFFERENCES = 5;
const MAX_RECORDS_PER_DIFFERENCE = 3;
const MAX_JSON_LENGTH = 200;

const RETURN_ADVICE = 'A finished step is not run again: return the value from that step';
const VARIABLE_REASON = `does it use what an earlier step put into a variable? ${RETURN_ADVICE}`;
const VARIABLE_OR_BROWSER_REASON = `does it use what an earlier step put into a variable, or left in the browser? ${RETURN_ADVICE}, and open the page in the step that needs it`;
const KEY_REASON =
  'is the key made from a counter, a time or a random value? It must be the same on each entry of `run`';
const UNRELATED_REASON =
  'no session died before its work ended, so the reason is not a kill: it is a time, a random value, or the site itself';

export interface ComparedRun {
  readonly outcome: RunOutcome;
  readonly watched: WatchedRun;
}

interface Difference {
  readonly kill: PlannedKill | undefined;
  readonly what: string;
  /** A likely reason, as a question or a statement without a full stop. */
  readonly reason: string;
}

/** Returns the differences as sentences: at most {@link MAX_DIFFERENCES}, and one with the number of the others. */
export async function compareRuns(
  registry: Registry,
  { undisturbed, disturbed }: { readonly undisturbed: ComparedRun; readonly disturbed: ComparedRun },
): Promise<string[]> {
  const before = await Array.fromAsync(registry.runs.listRecords(undisturbed.outcome.runId));
  const after = await Array.fromAsync(registry.runs.listRecords(disturbed.outcome.runId));
  const reported = [...compareEndings(undisturbed, disturbed), ...compareUnits(undisturbed, disturbed)];
  // The missing records of a step that was left out are not reported again.
  const isReported = (name: string) => {
    const unit = disturbed.watched.findUnit(name);
    return reported.length > 0 && unit?.isDone !== true && unit?.kind !== 'outside';
  };
  const differences = [
    ...reported,
    ...compareRecords({ run: undisturbed, records: before }, { run: disturbed, records: after, isReported }),
  ];
  const more = differences.length - MAX_DIFFERENCES;
  const shown = differences.slice(0, MAX_DIFFERENCES).map(toSentence);
  return more > 0 ? [...shown, `And ${more} more.`] : shown;
}

function toSentence({ kill, what, reason }: Difference): string {
  const where = kill === undefined ? '' : `Killed ${kill.words}: `;
  const text = `${where}${what}${reason === '' ? '' : `; ${reason}`}`;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('?') ? '' : '.'}`;
}

function compareEndings(undisturbed: ComparedRun, disturbed: ComparedRun): Difference[] {
  const { status, error, repeatedEffects } = disturbed.outcome;
  if (status === undisturbed.outcome.status) return [];
  const kill = disturbed.watched.kills.at(-1);
  if (status === 'partial' && error === null && repeatedEffects.length > 0) {
    const what = `these steps sent again what an interrupted attempt had already sent: ${list(repeatedEffects)}`;
    return [
      {
        kill: undefined,
        what,
        reason: 'give such a step the option `whenInterrupted`, which finds out whether its work has happened',
      },
    ];
  }
  const why = error === null ? '' : ` with ${error.code}: ${error.message.replace(/\.$/, '')}`;
  // The errors of this library already contain the solution.
  const reason = error?.code === 'error' ? 'does the code there use a variable that an earlier step sets?' : '';
  const what = `the run ended as ${status} instead of ${undisturbed.outcome.status}${why}`;
  return [{ kill, what, reason }];
}

/** Finds steps that only one of the two runs has done. A failed run has left out steps because it failed. */
function compareUnits({ watched: before }: ComparedRun, { watched: after, outcome }: ComparedRun): Difference[] {
  const kill = after.kills.at(-1);
  const missing = before.units.filter(({ name, isDone }) => isDone && after.findUnit(name)?.isDone !== true);
  const extra = after.units.filter(({ name, isDone }) => isDone && before.findUnit(name) === undefined);
  if (missing.length > 0 && extra.length > 0) {
    const what = `${list(extra.map(({ name }) => name))} was done instead of ${list(missing.map(({ name }) => name))}`;
    return [{ kill, what, reason: KEY_REASON }];
  }
  if (missing.length > 0 && outcome.status !== 'failed') {
    const reason = 'is it chosen by a variable that an earlier step sets? Return the value from that step';
    return [{ kill, what: `work was left out: ${list(missing.map(({ name }) => name))}`, reason }];
  }
  if (extra.length > 0)
    return [{ kill, what: `work was done additionally: ${list(extra.map(({ name }) => name))}`, reason: KEY_REASON }];
  return [];
}

interface RunWithRecords {
  readonly run: ComparedRun;
  readonly records: readonly RecordEntry[];
}

function compareRecords(
  undisturbed: RunWithRecords,
  disturbed: RunWithRecords & { readonly isReported: (unit: string) => boolean },
): Difference[] {
  const before = new Map(undisturbed.records.map((record) => [nameOf(record), record]));
  const after = new Map(disturbed.records.map((record) => [nameOf(record), record]));
  const missing = undisturbed.records.filter((record) => !after.has(nameOf(record)));
  const extra = disturbed.records.filter((record) => !before.has(nameOf(record)));
  const changed = undisturbed.records.filter((record) => {
    const other = after.get(nameOf(record));
    return other !== undefined && other.json !== record.json;
  });
  const differences = [
    ...groupByUnit(missing, undisturbed.run, disturbed, {
      describe: (record) => `${nameOf(record)} is missing`,
      reason: extra.length > 0 ? KEY_REASON : VARIABLE_REASON,
    }),
    ...groupByUnit(extra, disturbed.run, disturbed, {
      describe: (record) => `${nameOf(record)} exists only after the deaths`,
      reason: KEY_REASON,
    }),
    ...groupByUnit(changed, undisturbed.run, disturbed, {
      describe: (record) =>
        `${nameOf(record)} is ${shorten(after.get(nameOf(record))?.json ?? '')} instead of ${shorten(record.json)}`,
      reason: VARIABLE_OR_BROWSER_REASON,
    }),
  ];
  if (missing.length + extra.length + changed.length > 0) return differences;
  const isSameOrder = undisturbed.records.every((record, index) => {
    const other = disturbed.records[index];
    return other !== undefined && nameOf(other) === nameOf(record);
  });
  if (isSameOrder) return [];
  const kill = disturbed.run.watched.kills.at(-1);
  return [
    { kill, what: 'the records are the same, but in another order', reason: 'are steps begun in another order?' },
  ];
}

/** Returns one difference per unit of work. `owner` is the run that saved the records, `disturbed` the one with the kills. */
function groupByUnit(
  records: readonly RecordEntry[],
  owner: ComparedRun,
  { run: disturbed, isReported }: { readonly run: ComparedRun; readonly isReported: (unit: string) => boolean },
  words: { readonly describe: (record: RecordEntry) => string; readonly reason: string },
): Difference[] {
  const groups = Map.groupBy(records, (record) => owner.watched.unitOfRecord(record)?.name ?? '');
  return [...groups].flatMap(([name, group]) => {
    const unit = disturbed.watched.findUnit(name);
    if (isReported(name)) return [];
    const isUnrelated = unit?.isDone === true && unit.killBefore === undefined;
    const kill = isUnrelated ? undefined : (unit?.killBefore ?? disturbed.watched.kills.at(-1));
    const what = list(group.map(words.describe));
    const where = kill === undefined || name === '' || kill.words.includes(name) ? '' : ` (saved by ${name})`;
    return [{ kill, what: `${what}${where}`, reason: isUnrelated ? UNRELATED_REASON : words.reason }];
  });
}

function list(texts: readonly string[]): string {
  const more = texts.length - MAX_RECORDS_PER_DIFFERENCE;
  const shown = texts.slice(0, MAX_RECORDS_PER_DIFFERENCE);
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

function shorten(text: string): string {
  return text.length > MAX_JSON_LENGTH ? `${text.slice(0, MAX_JSON_LENGTH)}…` : text;
}

function nameOf({ dataset, key }: RecordEntry): string {
  return `record "${key}"${dataset === 'records' ? '' : ` of ${dataset}`}`;
}
