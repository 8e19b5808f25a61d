/** The `doctor` command: checks everything that a run needs, and prints the way out of each problem. */
import { Command } from 'commander';

import { count } from '../../core/describe-number.ts';
import type { CheckResult } from './check-result.ts';
import { runChecks } from './run-checks.ts';
import { commandLine } from '../terminal/command-line.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { renderTable } from '../terminal/text-table.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

export function makeDoctorCommand(): Command {
  return new Command('doctor')
    .summary('check what a run needs, and show what to do about problems')
    .description(
      'Checks Node, the settings, the browser and its driver (or the Selenium Grid) by starting a session, the registry, and the machine.',
    )
    .configureHelp({ commandUsage: () => commandLine('doctor', '[options]') })
    .option('--json', 'print the results as one line of JSON')
    .option('--verbose', 'show where errors come from')
    .addHelpText(
      'after',
      `\nExit codes: 0 without problems (warnings do not count), 1 with problems.\n\nExample:\n  ${commandLine('doctor')}`,
    )
    .action(async ({ json = false }: { json?: boolean }) => {
      const results = await runChecks();
      const problems = results.filter(({ status }) => status === 'problem').length;
      if (json) printJson(results);
      else printResult(render(results));
      if (problems > 0) process.exitCode = EXIT_FAILED;
    });
}

function render(results: readonly CheckResult[]): string {
  const nameWidth = Math.max(...results.map(({ name }) => name.length));
  const rows = results.map(({ name, status, message, advice }) => ({
    name: `${status.padEnd('problem'.length)}  ${name.padEnd(nameWidth)}`,
    texts: [message, ...(advice === undefined ? [] : [advice])],
  }));
  const problems = results.filter(({ status }) => status === 'problem').length;
  const verdict = problems === 0 ? 'Ready to run.' : `${count(problems, 'problem')} to solve before a run can work.`;
  return `${renderTable(rows)}\n${verdict}\n`;
}
