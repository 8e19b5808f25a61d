/** The common parts of the commands that read the registry: opening it, finding a row, reporting a failure. */
import { Command } from 'commander';

import { listSome } from '../../core/describe-number.ts';
import { loadConfig, type Config } from '../../config/config.ts';
import { ConfigError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { isProcessGone } from '../../driver/driver.ts';
import { openRegistry, type Registry } from '../../registry/registry.ts';
import { commandLine, describeKeptByNpm, flagsKeptByNpm, type CommandName } from '../terminal/command-line.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { didYouMean } from '../../core/did-you-mean.ts';
import { printProblem } from '../terminal/terminal.ts';

const CANDIDATES_SHOWN = 5;

/** The option that all subcommands have. */
export interface JsonOption {
  readonly json?: boolean;
}

export interface SubcommandOptions {
  readonly summary: string;
  /** The words after the command's name, such as `<id>`. */
  readonly usage?: string;
  readonly example: string;
}

/** Creates a subcommand of `group`, such as `sessions show`, with the options that all subcommands have. */
export function makeSubcommand(
  group: CommandName,
  name: string,
  { summary, usage = '', example }: SubcommandOptions,
): Command {
  const words = [name, usage, '[options]'].filter(Boolean).join(' ');
  return new Command(name)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
    .configureHelp({ commandUsage: () => commandLine(group, words) })
    .option('--json', 'print one line of JSON')
    .option('--verbose', 'show where errors come from')
    .addHelpText('after', `\nExample:\n  ${commandLine(group, example)}`)
    .hook('preAction', (command) => throwIfKeptByNpm(group, command));
}

/** Creates the command `group` with its subcommands. The first one is the default. */
export function makeGroup(group: CommandName, summary: string, commands: readonly [Command, ...Command[]]): Command {
  const names = commands.map((command) => command.name());
  const [first, ...others] = commands;
  // The default command also receives words that are not commands.
  first.argument('[word...]').hook('preAction', ({ args: [word] }) => {
    if (word === undefined) return;
    const misplaced = names.includes(word) ? ` Write it before its options.` : didYouMean(word, names);
    throw new ConfigError(
      `${group} has no command ${JSON.stringify(word)} in this position; its commands are ${names.join(', ')}.${misplaced} See ${commandLine(group, '--help')}`,
    );
  });
  const parent = new Command(group)
    .summary(summary)
    .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}. Without a command: ${first.name()}.`)
    .configureHelp({
      commandUsage: () => commandLine(group, `[${names.join('|')}] [options]`),
      subcommandTerm: (command) =>
        [
          command.name(),
          ...command.registeredArguments.filter((one) => one.required).map((one) => `<${one.name()}>`),
        ].join(' '),
    })
    .addCommand(first, { isDefault: true });
  for (const other of others) parent.addCommand(other);
  return parent;
}

/** Opens the registry of the settings, and closes it after `work`. */
export async function withRegistry(work: (registry: Registry, config: Config) => Promise<void>): Promise<void> {
  const config = loadConfig();
  await using registry = await openRegistry(config.registryUrl);
  await work(registry, config);
}

/**
 * Returns the row that `typed` names by its id, the id's beginning or end, or the id shortened with `…` as tables show it. Returns
 * undefined if there is none. Throws `ConfigError` if there are several.
 */
export function findById<Row extends { readonly id: string }>(rows: readonly Row[], typed: string): Row | undefined {
  if (typed === '') throw new ConfigError('The id is empty. Give an id, or enough of it.');
  const [head = '', tail] = typed.split('…');
  const fits = (id: string) =>
    tail === undefined ? id.startsWith(typed) || id.endsWith(typed) : id.startsWith(head) && id.endsWith(tail);
  const found = rows.filter(({ id }) => fits(id));
  if (found.length <= 1) return found[0];
  const names = listSome(
    found.map(({ id }) => id),
    CANDIDATES_SHOWN,
  );
  throw new ConfigError(`"${typed}" fits ${found.length}: ${names}. Give more of the id.`);
}

/** Returns true if the process that holds it is certainly gone. Processes of other machines can't be checked: the result is false. */
export function isLeft({
  host,
  pid,
  processIdentity: identity,
}: {
  readonly host: string | null;
  readonly pid: number | null;
  readonly processIdentity: string | null;
}): boolean {
  return host !== null && pid !== null && identity !== null && isProcessGone({ host, pid, identity });
}

/** Prints that no id in the registry at `location` matches `typed`, and the id or handle that is closest to it. */
export function failToFind(
  noun: 'run' | 'session',
  typed: string,
  {
    ids,
    handles,
    location,
  }: { readonly ids: readonly string[]; readonly handles: readonly string[]; readonly location: string },
): void {
  const list = noun === 'run' ? commandLine('runs') : commandLine('sessions', 'list --all');
  const known = ids.length === 0 ? `It has no ${noun}s yet.` : `Known: ${list}`;
  fail(
    `There is no ${noun} "${typed}" in the registry ${location}.${didYouMean(typed, [...handles, ...ids])} ${known}`,
  );
}

/** Prints what could not be done; the program ends with exit code 1. */
export function fail(message: string): void {
  printProblem(redactText(message));
  process.exitCode = EXIT_FAILED;
}

export function toChoice<Choice extends string>(flag: string, text: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new ConfigError(
    `${flag} is ${JSON.stringify(text)}; it must be one of ${choices.join(', ')}.${didYouMean(text, choices)}`,
  );
}

/** npm takes flags without a `--` before them as its own settings. Without this check the command would run without them. */
function throwIfKeptByNpm(group: CommandName, command: Command): void {
  const names = command.options.map(({ long }) => long?.replace(/^--/, '') ?? '').filter(Boolean);
  const kept = flagsKeptByNpm(names, { args: process.argv.slice(2) });
  if (kept.length === 0) return;
  const flags = kept.map((name) => `--${name}`);
  throw new ConfigError(describeKeptByNpm(kept, commandLine(group, [command.name(), ...flags, '…'].join(' '))));
}
