/**
 * The entry point of the command line: takes argv, returns an exit code. Its invariants: results go to stdout, everything else to stderr;
 * every error is one message that says what to do; foreseeable failures are reported before a browser starts; nothing is left behind.
 */
import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { SETTING_NAMES } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { limitHeapGrowth } from '../core/memory.ts';
import { makeActionsCommand } from './inspect/actions-command.ts';
import { makeDoctorCommand } from './doctor/doctor-command.ts';
import { enqueueAction, makeEnqueueCommand } from './fleet/enqueue-command.ts';
import { editSchedules, makeScheduleCommand } from './fleet/schedule-command.ts';
import { makeWorkerCommand } from './fleet/worker-command.ts';
import { makeHealthCommand } from './inspect/health-command.ts';
import { commandLine } from './terminal/command-line.ts';
import { makeMetricsCommand } from './inspect/metrics-command.ts';
import { makeInitCommand } from './run/init-command.ts';
import { makeMonitorCommand } from './inspect/monitor-command.ts';
import { makeNewCommand } from './run/new-command.ts';
import { findMisspelled } from '../core/did-you-mean.ts';
import { ProgramEnd } from './terminal/program-end.ts';
import { reportError } from './terminal/report-error.ts';
import { makeResetStuckCommand } from './inspect/reset-stuck-command.ts';
import { describeRepeated } from './run/flags.ts';
import { runAction } from './run/run-command.ts';
import { makeRunHelp } from './run/run-help.ts';
import { makeRunsCommand } from './inspect/runs-command.ts';
import { makeSessionsCommand } from './inspect/sessions-command.ts';
import { makeSmokeCommand } from './run/smoke-command.ts';
import { printNote, printProblem, printResult, printWarning, readLogFormat } from './terminal/terminal.ts';

limitHeapGrowth();
await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  // The program does not fail if the reader of its output (`| head`) or the terminal is closed.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  if (readLogFormat() === 'json') {
    process.removeAllListeners('warning');
    process.on('warning', ({ name, message }) => printWarning(`${name}: ${message}`));
  }
  const end = new ProgramEnd();
  let code: number;
  try {
    code = await runCommand(args, end);
  } catch (thrown) {
    code = reportError(thrown, { verbose: args.includes('--verbose') });
  }
  // The program ends even if the action left timers or connections open, but only after all output is flushed.
  await Promise.all([process.stdout, process.stderr].map(flush));
  end.exit(code);
}

/** Returns the exit code. The code of a run does not depend on `process.exitCode`, which its action may have set. */
async function runCommand(args: readonly string[], end: ProgramEnd): Promise<number> {
  for (const warning of findMisspelled(Object.keys(process.env), SETTING_NAMES)) printWarning(warning);
  let runCode: number | undefined;
  const run = makeRunCommand(async (words) => {
    runCode = await runAction(words, end);
  });
  const enqueue = makeEnqueueCommand(async (words) => {
    runCode = await enqueueAction(words, end);
  });
  const schedule = makeScheduleCommand(async (words) => {
    runCode = await editSchedules(words);
  });
  await makeProgram({ run, enqueue, schedule }).parseAsync([...args], { from: 'user' });
  return runCode ?? Number(process.exitCode ?? 0);
}

function makeProgram({ run, enqueue, schedule }: Readonly<Record<'run' | 'enqueue' | 'schedule', Command>>): Command {
  const program = new Command('webdriver-supervisor')
    .description('Browser runs that survive the death of their browser.')
    .version(readVersion())
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: printResult,
      writeErr: printNote,
      outputError: (text) => printProblem(text.replace(/^error: |\n$/g, '')),
    })
    .showHelpAfterError('Run again with --help to see what is possible.')
    .addHelpText(
      'after',
      `\nExamples:\n  ${commandLine('actions')}\n  ${commandLine('run', 'gather-catalog --help')}\n  ${commandLine('doctor')}`,
    );
  const resetStuck = makeResetStuckCommand();
  const commands = [
    run,
    makeActionsCommand(),
    makeInitCommand(),
    makeNewCommand(),
    makeSmokeCommand(),
    makeDoctorCommand(),
    makeRunsCommand(),
    makeSessionsCommand(),
    makeMetricsCommand(),
    makeHealthCommand(),
    makeMonitorCommand(),
    enqueue,
    makeWorkerCommand(),
    schedule,
    resetStuck,
  ];
  for (const command of commands) program.addCommand(inherit(command, program));
  // The inherited help option would take `--help` from `run <name> --help`.
  run.helpOption(false);
  enqueue.helpOption(false);
  schedule.helpOption(false);
  // The values of flags that npm took arrive as arguments. The command itself reports the flags; commander would report the values.
  resetStuck.allowExcessArguments();
  return program;
}

/** Copies the parent's settings to `command`, except for the configuration of its help, which has its own usage line. */
function inherit(command: Command, parent: Command): Command {
  const help = command.configureHelp();
  command.copyInheritedSettings(parent).configureHelp(help);
  refuseRepeated(command);
  for (const below of command.commands) inherit(below, command);
  return command;
}

/** Commander takes the last value of an option that is given several times. */
function refuseRepeated(command: Command): void {
  for (const option of command.options) {
    if (option.variadic || option.isBoolean()) continue;
    const given: string[] = [];
    command.on(`option:${option.name()}`, (value: string) => {
      if (given.push(value) > 1) throw new ConfigError(describeRepeated(option.name(), given));
    });
  }
}

/** An action's flags are known only after it is loaded, so commander does not parse the words after `run`. */
function makeRunCommand(runWords: (words: readonly string[]) => Promise<void>): Command {
  const command = new Command('run')
    .summary('run an action, by its name or file')
    .argument('[name|file...]')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      if (words[0] === '--help' || words[0] === '-h') printResult(makeRunHelp());
      else await runWords(words);
    });
  command.helpInformation = makeRunHelp;
  return command;
}

function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve();
    else stream.write('', () => resolve());
  });
}
