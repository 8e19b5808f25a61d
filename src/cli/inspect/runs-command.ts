/** The `runs` command: lists and shows runs, exports the records of a run whether it is over or not, and asks a run to end. */
import path from 'node:path';

import type { Command } from 'commander';

import { shortRunId } from './subjects.ts';
import { count } from '../../core/describe-number.ts';
import { RUN_STATUSES, type StoredRun } from '../../model/run.ts';
import { LIVE_STATUSES } from '../../model/session.ts';
import { ConfigError } from '../../core/errors.ts';
import { quoteForShell } from '../../core/shell-words.ts';
import type { Registry } from '../../registry/registry.ts';
import { EXPORT_FORMATS, findReports, loadEngine, type ExportFormat } from '../../runs/runs.ts';
import { commandLine } from '../terminal/command-line.ts';
import {
  fail,
  failToFind,
  findById,
  makeGroup,
  makeSubcommand,
  toChoice,
  withRegistry,
  type JsonOption,
} from './registry-commands.ts';
import { describeFiles, describeLook } from '../run/summarize.ts';
import { renderRun, runToJson } from './render-run.ts';
import { isRunLeft, resumeLine } from './stored-run.ts';
import { listRuns, type RunListOptions } from './list-runs.ts';
import { renderLines } from '../terminal/text-table.ts';
import { toSafeLine } from '../terminal/safe-text.ts';
import { describeAgo } from '../../core/describe-time.ts';
import { printJson, printResult, printWarning } from '../terminal/terminal.ts';

const DEFAULT_LIMIT = '20';
interface ExportOptions extends JsonOption {
  readonly output?: string;
  readonly format?: string;
}

export function makeRunsCommand(): Command {
  const id = ['<id>', 'its id, or enough of it; last for the newest'] as const;
  return makeGroup('runs', 'look at runs, export their records, cancel them', [
    makeSubcommand('runs', 'list', { summary: 'list the runs, the newest first', example: 'list --status halted' })
      .option('--limit <number>', 'the maximum number of runs', DEFAULT_LIMIT)
      .option('--status <status>', `only those that are ${RUN_STATUSES.join(' | ')}`)
      .action((_words: string[], options: RunListOptions) => withRegistry((registry) => listRuns(registry, options))),
    makeSubcommand('runs', 'show', {
      summary: 'show everything about a run, live while it works',
      usage: '<id>',
      example: 'show last',
    })
      .argument(...id)
      .action((typed: string, options: JsonOption) => withRegistry((registry) => show(registry, typed, options))),
    makeSubcommand('runs', 'export', {
      summary: 'write the records that a run has so far to files',
      usage: '<id>',
      example: 'export last --format csv',
    })
      .argument(...id)
      .option('--output <dir>', "the folder (default: the run's own)")
      .option('--format <format>', `${EXPORT_FORMATS.join(' | ')} (default: the run's own)`)
      .action((typed: string, options: ExportOptions) =>
        withRegistry((registry) => writeFiles(registry, typed, options)),
      ),
    makeSubcommand('runs', 'cancel', {
      summary: 'ask a run to end; finished work is stored, and it can be resumed',
      usage: '<id>',
      example: 'cancel last',
    })
      .argument(...id)
      .action((typed: string, options: JsonOption) => withRegistry((registry) => cancel(registry, typed, options))),
  ]);
}

async function show(registry: Registry, typed: string, { json = false }: JsonOption): Promise<void> {
  const run = await find(registry, typed);
  if (run === undefined) return;
  const shards = run.shards === null ? [] : await registry.shards.list(run.id);
  const reports = run.options['output'] === false ? undefined : await findReports(folderOf(run));
  if (json) {
    printJson(runToJson(run, reports));
    return;
  }
  const sessions = await registry.sessions.list({ run: run.id, status: LIVE_STATUSES });
  printResult(renderRun(run, { ...reports, shards, sessions }));
}

/** Returns the folder of the run's files. */
function folderOf({ id, options: { output } }: StoredRun): string {
  return typeof output === 'string' ? output : path.join('output', id);
}

/** Writes the records of a run to files, and prints the paths. */
export async function writeFiles(registry: Registry, typed: string, options: ExportOptions): Promise<void> {
  const asked = options.format === undefined ? undefined : toChoice('--format', options.format, EXPORT_FORMATS);
  if (options.output === '') throw new ConfigError('--output is empty; name a folder.');
  const run = await find(registry, typed);
  if (run === undefined) return;
  const own = EXPORT_FORMATS.find((known) => known === run.options['format']);
  const format: ExportFormat = asked ?? own ?? 'jsonl';
  const folder = options.output ?? folderOf(run);
  const { assertWritableFolder, exportRecords, toFolderClaim } = await loadEngine();
  if (run.records > 0) {
    await assertWritableFolder(folder);
    await registry.runs.assertFolderFree(run.id, await toFolderClaim(folder));
  }
  const prove = () => registry.runs.proveUnchanged(run);
  const { outputs, records, warnings } = await exportRecords(registry.runs.listRecords(run.id), {
    folder,
    format,
    prove,
    earlier: options.output === undefined ? run.outputs : {},
  });
  for (const warning of warnings) printWarning(warning);
  // A run that is being worked on stores the paths of its files itself when it ends. A run with exported files can be cleaned up.
  if (run.token === null && records > 0) await registry.runs.noteExport(run.id, outputs);
  const isOver = run.status === 'completed';
  if (options.json === true) {
    printJson({ runId: run.id, status: run.status, records, outputs });
    return;
  }
  if (records === 0) {
    printResult(`The run ${run.id} has no records${isOver ? '' : ' so far'}; nothing is written.\n`);
    return;
  }
  const files = describeFiles(outputs).map((file) => `  ${file}\n`);
  printResult(
    `${count(records, 'record')} of ${toSafeLine(run.action)}, run ${run.id}${isOver ? '' : `, which is ${run.status}: the records so far`}.\n${files.join('')}`,
  );
  const [first] = Object.values(outputs);
  if (first !== undefined) printResult(`Look: ${describeLook(quoteForShell(first))}\n`);
}

async function cancel(registry: Registry, typed: string, { json = false }: JsonOption): Promise<void> {
  const run = await find(registry, typed);
  if (run === undefined) return;
  const result = await registry.runs.requestCancel(run.id);
  const now = await registry.runs.get(run.id);
  if (result === 'missing' || now === undefined) {
    fail(`The run ${run.id} was removed just now.`);
    return;
  }
  if (json) printJson({ runId: run.id, result, status: now.status, isProcessGone: isRunLeft(now) });
  else printResult(renderLines(describeCancel(now, result)));
}

function describeCancel(run: StoredRun, result: 'requested' | 'cancelled' | 'over'): readonly string[] {
  const { id, status, host, pid, endedAt } = run;
  const resume = ['Resume it:', `  ${resumeLine(run)}`];
  if (result === 'over') return [`The run ${id} is over already: ${status} ${describeAgo(endedAt)}.`];
  if (result === 'cancelled') return [`The run ${id} is cancelled; no process worked on it.`, ...resume];
  if (isRunLeft(run))
    return [
      `The run ${id} has no process: it was pid ${pid}, which is gone, so the request has no effect.`,
      ...resume,
      'Or close it:',
      `  ${commandLine('sessions', 'cleanup --execute')}`,
    ];
  return [
    `The run ${id} is asked to end; its process (pid ${pid} on ${host}) notices that within seconds. Finished work is stored.`,
    'To see its progress:',
    `  ${commandLine('runs', `show ${id}`)}`,
  ];
}

/** Finds a run, or prints that there is none. */
async function find(registry: Registry, typed: string): Promise<StoredRun | undefined> {
  const { runs, location } = registry;
  if (typed === 'last') {
    const [newest] = await runs.list({ hasShards: false, limit: 1 });
    if (newest === undefined)
      fail(
        `There are no runs in the registry ${location} yet. Begin one: ${commandLine('run', 'gather-catalog --help')}`,
      );
    return newest;
  }
  const exact = await runs.get(typed);
  if (exact !== undefined) return exact;
  const all = await runs.list();
  const run = findById(all, typed);
  if (run === undefined)
    failToFind('run', typed, { ids: all.map(({ id }) => id), handles: ['last', ...all.map(shortRunId)], location });
  return run;
}
