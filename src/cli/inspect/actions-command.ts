/** The `actions` command: lists the actions with their parameters. The row of a module that can't be loaded shows the error. */
import { Command } from 'commander';

import { count } from '../../core/describe-number.ts';
import type { SourceWarning } from '../../analysis/analysis.ts';
import { describeError } from '../../core/errors.ts';
import { openProgress, makeConsole } from '../terminal/progress-display.ts';
import { readSchema, toActionParameters } from '../run/action-flags.ts';
import { ActionLoader } from '../run/load/action-loader.ts';
import { listActionFiles, type ActionFile } from '../run/load/find-action.ts';
import { commandLine } from '../terminal/command-line.ts';
import { shortPath } from '../run/load/explain-load-error.ts';
import { flagTerm } from '../run/run-help.ts';
import { checkSource, describeSourceWarning } from '../run/load/source-warnings.ts';
import { renderTable } from '../terminal/text-table.ts';
import type { Action } from '../../runs/runs.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

type Entry = ActionFile &
  ({ readonly action: Action; readonly warnings: readonly SourceWarning[] } | { readonly error: string });

export function makeActionsCommand(): Command {
  return new Command('actions')
    .summary('list the actions and their parameters')
    .description(
      'Lists the actions of the folder `actions` in the project’s root, and those that come with the program.',
    )
    .configureHelp({ commandUsage: () => commandLine('actions', '[options]') })
    .option('--json', 'print the list as one line of JSON, parameters as JSON Schema')
    .option('--verbose', 'show where errors come from')
    .addHelpText('after', `\nExample:\n  ${commandLine('actions', '--json')}`)
    .action(async ({ json = false }: { json?: boolean }) => {
      globalThis.console = makeConsole(openProgress());
      const entries = await loadAll(listActionFiles());
      if (json) printJson(entries.map(toJson));
      else printResult(renderList(entries));
    });
}

/** Loads one file after the other, because an error is explained from the module that Node loaded last. */
async function loadAll(files: readonly ActionFile[]): Promise<Entry[]> {
  const loader = ActionLoader.install();
  const { signal } = new AbortController();
  const entries: Entry[] = [];
  for (const { name, file } of files) {
    try {
      const action = await loader.load(file, signal);
      entries.push({ name, file, action, warnings: await checkSource(file) });
    } catch (thrown) {
      entries.push({ name, file, error: describeError(thrown).message });
    }
  }
  return entries;
}

function renderList(entries: readonly Entry[]): string {
  if (entries.length === 0) return `There are no actions yet. Make one: ${commandLine('new', 'my-action')}\n`;
  const rows = entries.map((entry) => ({
    name: entry.name,
    texts:
      'action' in entry
        ? [...describe(entry.action), ...describeWarnings(entry.warnings)]
        : [`can't be loaded: ${entry.error}`],
  }));
  return `${renderTable(rows)}\nRun one: ${commandLine('run', '<name> --help')}\n`;
}

function describe(action: Action): string[] {
  const flags = toActionParameters(action).map((flag) =>
    flag.isRequired === true ? flagTerm(flag) : `[${flagTerm(flag)}]`,
  );
  // A non-breaking space keeps a flag and its value on one line.
  return [
    action.description,
    ...(flags.length === 0 ? [] : [flags.map((flag) => flag.replaceAll(' ', '\u00a0')).join(' ')]),
  ];
}

/** Returns the number of warnings and the first one; `run` prints all of them. */
function describeWarnings(warnings: readonly SourceWarning[]): string[] {
  const [first] = warnings;
  if (first === undefined) return [];
  return [`${count(warnings.length, 'warning')}: ${describeSourceWarning(first)}`];
}

function toJson(entry: Entry): object {
  const { name, file } = entry;
  if ('error' in entry) return { name, file: shortPath(file), error: entry.error };
  const { description } = entry.action;
  const warnings = entry.warnings.map((warning) => ({
    rule: warning.rule,
    file: shortPath(warning.file),
    line: warning.line,
    column: warning.column,
    message: warning.message,
  }));
  return { name, file: shortPath(file), description, parameters: readSchema(entry.action), warnings };
}
