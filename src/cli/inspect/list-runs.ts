/** The table of runs. */
import { shortRunId } from './subjects.ts';
import { count, describeNumbers } from '../../core/describe-number.ts';
import { RUN_STATUSES, toShownProgress, type StoredRun } from '../../model/run.ts';
import type { Registry } from '../../registry/registry.ts';
import { commandLine } from '../terminal/command-line.ts';
import { toChoice } from './registry-commands.ts';
import { runToJson } from './render-run.ts';
import { isRunLeft, resumeLine } from './stored-run.ts';
import { toWhole } from '../terminal/whole-number.ts';
import { renderColumns, renderLines } from '../terminal/text-table.ts';
import { describeDuration, describeSpan } from '../../core/describe-time.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

export interface RunListOptions {
  readonly limit: string;
  readonly status?: string;
  readonly json?: boolean;
}

export async function listRuns(
  registry: Registry,
  { limit: limitText, status: statusText, json = false }: RunListOptions,
): Promise<void> {
  const limit = toWhole('--limit', limitText, { min: 1 });
  const status = statusText === undefined ? undefined : toChoice('--status', statusText, RUN_STATUSES);
  const filter = { hasShards: false, ...(status !== undefined && { status }) };
  const runs = await registry.runs.list({ ...filter, limit });
  if (json) {
    printJson(runs.map((run) => runToJson(run)));
    return;
  }
  const damaged = await registry.runs.listDamaged();
  const total = await registry.runs.count(filter);
  printResult(renderList(runs, { total, status, limit }));
  if (damaged.length > 0) printResult(renderLines([`Not shown, because the row is damaged: ${damaged.join(', ')}.`]));
}

function renderList(
  runs: readonly StoredRun[],
  { total, status, limit }: { readonly total: number; readonly status: string | undefined; readonly limit: number },
): string {
  const [first] = runs;
  if (first === undefined)
    return renderLines(
      status === undefined
        ? ['No runs yet. Begin one:', `  ${commandLine('run', 'gather-catalog --help')}`]
        : [`No run is ${status}. All of them:`, `  ${commandLine('runs')}`],
    );
  const left = runs.filter(isRunLeft);
  const tally = Object.groupBy(runs, (run) => run.status);
  const byStatus = Object.fromEntries(Object.entries(tally).map(([name, { length }]) => [name, length]));
  const chosen = status === undefined ? '' : `--status ${status} `;
  const notes = [
    ...(total > runs.length
      ? [
          `${runs.length} of ${count(total, 'run')}. More of them:`,
          `  ${commandLine('runs', `list ${chosen}--limit ${limit * 5}`)}`,
        ]
      : [`${count(total, 'run')}: ${describeNumbers(byStatus, RUN_STATUSES)}`]),
    'Details of one, by its id or enough of it:',
    `  ${commandLine('runs', `show ${shortRunId(first)}`)}`,
    ...left
      .slice(0, 1)
      .flatMap((run) => [
        `${count(left.length, 'run')} without a process. To resume ${left.length === 1 ? 'it' : 'the newest'}:`,
        `  ${resumeLine(run)}`,
      ]),
  ];
  return `${renderRuns(runs)}\n${renderLines(notes)}`;
}

function renderRuns(runs: readonly StoredRun[]): string {
  return renderColumns(
    [
      { title: 'ID', least: 10 },
      { title: 'ACTION', least: 6 },
      { title: 'STATUS' },
      { title: 'DONE', isNumber: true },
      { title: 'RECORDS', isNumber: true, isOptional: true },
      { title: 'DEATHS', isNumber: true },
      { title: 'AGE', isNumber: true },
      { title: 'TOOK', isNumber: true, isOptional: true },
    ],
    runs.map((run) => {
      const { done, total } = toShownProgress(run);
      return [
        run.id,
        run.action,
        isRunLeft(run) ? 'process gone' : run.status,
        total === null ? String(done) : `${done}/${total}`,
        String(run.records),
        String(run.deaths.length),
        describeSpan(Date.now() - Date.parse(run.createdAt)),
        describeDuration(run.durationMs),
      ];
    }),
  );
}
