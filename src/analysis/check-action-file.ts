/** Runs all rules over the file of an action and the local files that it imports. */
import { findChangingKeys } from './changing-key.ts';
import { Functions, type CallSite } from './functions.ts';
import { findKeptElements } from './kept-element.ts';
import { findMissingAwaits } from './missing-await.ts';
import { findOuterDrivers } from './outer-driver.ts';
import { findOuterVariables } from './outer-variable.ts';
import { Regions } from './regions.ts';
import { sitePosition, type Analysis, type Rule } from './rule.ts';
import { Slots } from './slots.ts';
import { SourceModel } from './source-model.ts';
import type { Position, SourceWarning } from './source-warning.ts';
import { findWorkCalls } from './work-calls.ts';

const RULES: readonly Rule[] = [
  findOuterVariables,
  findKeptElements,
  findMissingAwaits,
  findOuterDrivers,
  findChangingKeys,
];

/**
 * Returns the patterns of an action that can lose data when a finished step is replayed, sorted by file and line. A file that can't be
 * read or parsed gives no warnings: the error of loading it has the reason.
 */
export async function checkActionFile(file: string): Promise<readonly SourceWarning[]> {
  const model = await SourceModel.load(file);
  if (model === undefined) return [];
  const functions = new Functions(model);
  const { calls, works, roles } = findWorkCalls(model, functions);
  const regions = new Regions(model, functions, works);
  const slots = new Slots({ model, functions, roles, works });
  const analysis: Analysis = { model, functions, roles, regions, slots, calls, works };
  const warnings = RULES.flatMap((rule) => rule(analysis)).filter((warning) => !isSilenced(warning, model));
  const lines = countLines(analysis);
  const marked = warnings.map((warning) => markSharedLine(warning, lines));
  return withoutRepeats(marked).sort(
    (a, b) => order(a.file, b.file) || a.line - b.line || a.column - b.column || order(a.rule, b.rule),
  );
}

/** Returns whether a comment `replay-safe` is on the line of the warning or on the line before it. */
function isSilenced({ file, line }: SourceWarning, { files }: SourceModel): boolean {
  const safeLines = files.find((source) => source.file === file)?.safeLines;
  return safeLines !== undefined && (safeLines.has(line) || safeLines.has(line - 1));
}

/** Removes duplicates. A helper that several steps call has one warning per call, because each of the steps can be replayed. */
function withoutRepeats(warnings: readonly SourceWarning[]): SourceWarning[] {
  const keyOf = ({ file, line, column, call, message }: SourceWarning) =>
    JSON.stringify([file, line, column, call, message]);
  return [...new Map(warnings.map((warning) => [keyOf(warning), warning])).values()];
}

/** Returns the number of calls that begin on each line. */
function countLines({ calls, works }: Analysis): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const sites = new Set<CallSite>([...calls.map(({ call }) => call), ...works.map(({ site }) => site)]);
  for (const call of sites) {
    const name = lineOf(sitePosition(call));
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

function markSharedLine(warning: SourceWarning, lines: ReadonlyMap<string, number>): SourceWarning {
  const { call } = warning;
  if (call === null || (lines.get(lineOf(call)) ?? 1) === 1) return warning;
  return { ...warning, call: { ...call, sharesLine: true } };
}

function lineOf({ file, line }: Position): string {
  return `${file}:${line}`;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
