/** The flags of `run`, and help texts that show them together with those of an action. */
import { Command, Option } from 'commander';

import { RECORD_MODES } from '../../config/config.ts';
import { EXPORT_FORMATS, type Action } from '../../runs/runs.ts';
import { toActionParameters, type ActionParameter } from './action-flags.ts';
import type { Flag } from './flags.ts';
import { commandLine, type CommandName } from '../terminal/command-line.ts';

const text = (name: string, placeholder: string, description: string, rest: Partial<Flag> = {}): Flag => ({
  ...{ name, kind: 'text', placeholder, description },
  ...rest,
});
const number = (...[name, placeholder, description, defaultValue]: [string, string, string, number?]): Flag =>
  text(name, placeholder, description, { kind: 'number', defaultValue });
const toggle = (name: string, description: string, rest: Partial<Flag> = {}): Flag => ({
  ...{ name, kind: 'boolean', description, defaultValue: false },
  ...rest,
});

export const RUN_COMMAND_FLAGS: readonly Flag[] = [
  text('owner', 'name', 'the owner of the session (default: the run itself)'),
  number('wait', 'seconds', 'how long to wait for a busy owner, and for a Grid that is not up', 0),
  text('resume', 'run', 'resume this run (last: the newest one) with its parameters, instead of starting a new one'),
  text('redo', 'key', 'with --resume: do this step (or batch/key for an item) and everything after it again'),
  text('session-state', 'file', 'load cookies and storage from this file into each new session, and save them to it'),
  number('sessions', 'number', 'the number of browsers for batches that use several'),
  text('grid', 'url', 'use the browsers of this Selenium Grid, or a running driver'),
  toggle('headed', 'show the browser'),
  text('browser-argument', 'switch', 'a switch of the browser, such as --browser-argument=--accept-lang=de', {
    isList: true,
  }),
  text('proxy', 'url', "the browser's proxy"),
  toggle('accept-insecure-certs', 'accept certificates that cannot be verified'),
  text('user-data-dir', 'dir', 'a browser profile to use; it is not deleted'),
  text('download-dir', 'dir', 'where the browser puts downloads (default: downloads in the output folder)'),
  text(
    'record',
    'choice',
    'write the last 20 s before deaths and failed steps (deaths, the default), also at the end (always), or never (off)',
    {
      choices: RECORD_MODES,
    },
  ),
  toggle('recover', 'end the run at the first death of its session', { defaultValue: true }),
  toggle('standby', 'keep one more browser ready, so that the run continues a few milliseconds after a death'),
  toggle(
    'rehearse',
    'run again with the session killed inside steps and between them, and compare the data; --rehearse=all disturbs each step once',
    { choices: ['all'] },
  ),
  text('output', 'dir', 'where files are written (default: output/<run id>)'),
  text('format', 'choice', 'the format of the data files', { choices: EXPORT_FORMATS, defaultValue: 'jsonl' }),
  toggle('report', 'write no report.html, the page about the run, into the output folder', { defaultValue: true }),
  toggle('json', 'print the outcome as one line of JSON, last'),
  toggle('verbose', 'log more, and show where errors come from'),
  toggle('help', "show this; after an action's name, with its parameters"),
];

const EXIT_CODES = `Exit codes:
  0    completed
  1    some or all of the work failed
  2    wrong usage or settings, or no browser could be started
  3    halted: the session died, and no recovery was left or wanted
  4    the owner is busy, or there is no capacity for another session
  5    timed out: no progress for too long
  130  cancelled (Ctrl+C; twice ends it at once)`;

export function makeRunHelp(): string {
  const examples = [
    commandLine('run', 'gather-catalog --url http://127.0.0.1:8080'),
    commandLine('run', './my-action.ts --output data --format csv'),
    commandLine('run', 'gather-catalog --url http://127.0.0.1:8080 --json'),
    commandLine('run', 'gather-catalog --resume last'),
  ];
  const command = makeHelpCommand('run', '<name|file> [--parameter value …] [options]').description(
    'Runs an action. Name one of the `actions` folder, or the file of a module that default-exports one.',
  );
  for (const flag of RUN_COMMAND_FLAGS) command.addOption(toOption(flag));
  const parameters =
    `Parameters of an action are flags too: ${commandLine('run', '<name> --help')} shows them, ` +
    `${commandLine('actions')} lists all actions.`;
  return `${command.helpInformation()}\n${parameters}\n\n${describeExamples(examples)}`;
}

/** Returns the help of one action. `target` is the name or file that the user typed. */
export function makeActionHelp(action: Action, target: string): string {
  const parameters = toActionParameters(action);
  const needed = parameters.filter(({ isRequired }) => isRequired);
  const example = needed.map((parameter) => `--${parameter.name} ${exampleOf(parameter)}`);
  const command = makeHelpCommand(action.name, `${target} [options]`).description(action.description);
  for (const parameter of parameters) command.addOption(toOption(parameter).helpGroup('Parameters:'));
  for (const flag of RUN_COMMAND_FLAGS) command.addOption(toOption(flag).helpGroup('Options:'));
  return `${command.helpInformation()}\n${describeExamples([commandLine('run', [target, ...example].join(' '))])}`;
}

/** Returns the help of `enqueue`, for one action if `action` is given. */
export function makeEnqueueHelp(
  flags: readonly Flag[],
  action?: { readonly action: Action; readonly target: string },
): string {
  const parameters = action === undefined ? [] : toActionParameters(action.action);
  const example = parameters
    .filter(({ isRequired }) => isRequired)
    .map((parameter) => `--${parameter.name} ${exampleOf(parameter)}`);
  const usage = action === undefined ? '<name|file> [--parameter value …] [options]' : `${action.target} [options]`;
  const command = makeHelpCommand('enqueue', usage, 'enqueue').description(
    'Splits the work of an action into shards and puts them into the queue, for the workers of all machines. Needs a registry in PostgreSQL.',
  );
  for (const parameter of parameters) command.addOption(toOption(parameter).helpGroup('Parameters:'));
  for (const flag of flags) command.addOption(toOption(flag).helpGroup('Options:'));
  const words = [action?.target ?? 'gather-catalog --url http://127.0.0.1:8080', ...example];
  return `${command.helpInformation()}\n${describeExamples([
    commandLine('enqueue', words.join(' ')),
    commandLine('enqueue', [...words, '--wait'].join(' ')),
    commandLine('worker'),
  ])}`;
}

/** Returns a command that is only used to print its help. */
function makeHelpCommand(name: string, usage: string, called: CommandName = 'run'): Command {
  return new Command(name).helpOption(false).configureHelp({ commandUsage: () => commandLine(called, usage) });
}

function describeExamples(lines: readonly string[]): string {
  return `Example${lines.length === 1 ? '' : 's'}:\n${lines.map((line) => `  ${line}\n`).join('')}\n${EXIT_CODES}\n`;
}

/** Returns a flag as help texts and lists show it: `--pages <number>`, `--no-recover`. */
export function flagTerm({ name, kind, placeholder, choices, defaultValue, isList }: Flag): string {
  if (kind === 'boolean' && choices !== undefined) return `--${name}[=${choices.join('|')}]`;
  if (kind === 'boolean') return defaultValue === true ? `--no-${name}` : `--${name}`;
  return `--${name} <${placeholder}>${isList === true ? ' …' : ''}`;
}

function toOption(flag: Flag): Option {
  const { description, choices, defaultValue, isRequired = false, isList = false, kind } = flag;
  const notes = [
    ...(choices === undefined || kind === 'boolean' ? [] : [choices.join(' | ')]),
    ...(isRequired ? ['required'] : []),
    ...(isList ? ['may be given several times'] : []),
    ...(kind === 'boolean' || defaultValue === undefined ? [] : [`default: ${showDefault(defaultValue)}`]),
  ];
  // The descriptions of the command's own flags already say what `--no-…` does.
  const isNegated = kind === 'boolean' && defaultValue === true && !RUN_COMMAND_FLAGS.includes(flag);
  const prefix = isNegated ? 'not: ' : '';
  return new Option(
    flagTerm({ ...flag, isList: false }),
    [prefix + description, ...(notes.length > 0 ? [`(${notes.join('; ')})`] : [])].filter(Boolean).join(' '),
  );
}

function showDefault(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(String).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function exampleOf({ placeholder, choices }: ActionParameter): string {
  if (placeholder === 'url') return 'https://example.com/';
  return choices?.[0] ?? { number: '1', json: "'{}'" }[placeholder ?? ''] ?? '…';
}
