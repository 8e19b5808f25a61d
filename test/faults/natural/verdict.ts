/** Judges the outcome of a trial. */
import { isDeepStrictEqual } from 'node:util';

import type { NaturalCase } from './catalogue.ts';
import type { Observation } from './trial.ts';

/**
 * - `complete`: exit code 0, and records and effects are those of an undisturbed run.
 * - `repeated`: exit code 0; the site was changed twice, and the outcome names the step that did it. The records are right, or show
 *   the changed site.
 * - `refused`: not begun, with a message.
 * - `failed`: another exit code, with a message that names the unit of work and the way out.
 * - `unclear`: another exit code, with a crash or a message that does not name them.
 * - `hung`: the program did not end.
 * - `SILENT`: exit code 0, and the data are different.
 */
export const VERDICTS = ['complete', 'repeated', 'refused', 'failed', 'unclear', 'hung', 'SILENT'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Judgement {
  readonly verdict: Verdict;
  /** The reason for the verdict, in a few lines. */
  readonly reason: string;
}

/** Matches the name of a step, an item, a record or a save, or a line of the action. */
const LOCATION_WORDS =
  /\b(step|item|batch|record|save|key|variable)s? ["“`']|\b(item|step) \S+ (of|failed)|[\w-]+\.[cm]?[jt]s:\d+/i;
/** Matches the words of a solution. */
const SOLUTION_WORDS =
  /\b(put|use|move|give|add|return|declare|await|save|log in|check|raise|set|call|make|keep|resume|repeat|let)\b[^.]*|--resume/i;

/** Matches the output of Node.js about an uncaught error. */
const CRASH = /^Node\.js v\d/m;

export function judge({ records, effects }: NaturalCase, seen: Observation): Judgement {
  const { code, text, outcome } = seen;
  if (code === null) return { verdict: 'hung', reason: lastLines(text) };
  if (code !== 0) {
    // Lines of the log are JSON.
    const message = `${text}\n${outcome?.error?.message ?? ''}`.replaceAll('\\"', '"');
    const reason = `exit code ${code}: ${lastLines(text)}`;
    if (!LOCATION_WORDS.test(message) || !SOLUTION_WORDS.test(message) || CRASH.test(message))
      return { verdict: 'unclear', reason };
    const isBegun = seen.requestCount > 0 || (outcome?.sessions ?? 0) > 0;
    return { verdict: isBegun ? 'failed' : 'refused', reason };
  }
  const wanted = records.map((record) => `records: ${JSON.stringify(record)}`);
  const differences = compareRecords(wanted, seen.records);
  const isSameEffect = isDeepStrictEqual(seen.effects, effects);
  if (differences.length === 0 && isSameEffect) return { verdict: 'complete', reason: '' };
  const effect = isSameEffect
    ? []
    : [`the site has ${JSON.stringify(seen.effects)}`, ...seen.repeatedPosts.map((post) => `sent again: ${post}`)];
  const warnings = outcome?.warnings.map((warning) => `warning: ${warning}`) ?? [];
  const reason = [...differences, ...effect, ...warnings].join('\n');
  const isReported = (outcome?.repeatedEffects.length ?? 0) > 0;
  // Records may show the repeated effects, but none may be missing.
  const isComplete = seen.records.length === wanted.length && (differences.length === 0 || !isSameEffect);
  return { verdict: isComplete && isReported ? 'repeated' : 'SILENT', reason };
}

/** Returns whether a trial of an action may end like this. */
export function isAllowed(
  { ending }: NaturalCase,
  verdict: Verdict,
  { isDisturbed }: { readonly isDisturbed: boolean },
): boolean {
  switch (isDisturbed || ending !== 'right' ? ending : 'complete') {
    case 'complete':
      return verdict === 'complete';
    case 'right':
    case 'never-silent':
      return ['complete', 'repeated', 'refused', 'failed'].includes(verdict);
    case 'fails':
      return verdict === 'refused' || verdict === 'failed';
  }
}

function compareRecords(wanted: readonly string[], found: readonly string[]): string[] {
  const missing = wanted.filter((record) => !found.includes(record));
  const extra = found.filter((record) => !wanted.includes(record));
  const sentences = [
    ...(missing.length > 0 ? [`${missing.length} of ${wanted.length} records are missing, such as ${missing[0]}`] : []),
    ...(extra.length > 0 ? [`${extra.length} records are wrong, such as ${extra[0]}`] : []),
  ];
  if (sentences.length > 0 || isDeepStrictEqual(wanted, found)) return sentences;
  return ['the records are the same, in another order or number'];
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-6).join('\n');
}
