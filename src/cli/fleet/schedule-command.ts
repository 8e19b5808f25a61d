/** The `schedule` command: adds, lists and removes the times at which workers enqueue an action. */
import { Command } from 'commander';

import { loadConfig } from '../../config/config.ts';
import { ConfigError } from '../../core/errors.ts';
import { makeLog } from '../../core/log.ts';
import { quoteForShell } from '../../core/shell-words.ts';
import {
  addSchedule,
  DEFAULT_QUEUE,
  DEFAULT_RETRIES,
  listSchedules,
  openQueue,
  removeSchedule,
  type Queue,
} from '../../fleet/fleet.ts';
import { isPostgresUrl } from '../../registry/registry.ts';
import { hiddenParameters } from '../../runs/runs.ts';
import { didYouMean } from '../../core/did-you-mean.ts';
import { fail } from '../inspect/registry-commands.ts';
import type { Flag } from '../run/flags.ts';
import { ActionLoader } from '../run/load/action-loader.ts';
import { findActionFile } from '../run/load/find-action.ts';
import { parseActionFlags } from '../run/run-flags.ts';
import { commandLine } from '../terminal/command-line.ts';
import { renderColumns, renderLines } from '../terminal/text-table.ts';
import { printResult } from '../terminal/terminal.ts';
import { checkQueueFlags, QUEUE_FLAGS, refuseTaken } from './enqueue-command.ts';

const FLAGS: readonly Flag[] = [
  {
    name: 'cron',
    kind: 'text',
    placeholder: 'times',
    description: 'minute, hour, day, month, weekday',
    isRequired: true,
  },
  { name: 'tz', kind: 'text', placeholder: 'zone', description: 'the time zone', defaultValue: 'UTC' },
  { name: 'label', kind: 'text', placeholder: 'name', description: "the schedule's name (default: the action's)" },
  { name: 'allow-overlap', kind: 'boolean', description: 'also if the last run has not ended', defaultValue: false },
  ...QUEUE_FLAGS,
];
const HELP = `Usage: ${commandLine('schedule', '[add <name|file> | list | remove <label>]')}

Enqueues an action at the times of a cron expression. Needs a registry in PostgreSQL and a worker.

  add      --cron <times> [--tz <zone>] [--label <name>] [--allow-overlap] [--shards <number>]
           [--retries <number>] [--queue <name>] [--parameter value …]
  list     the schedules and their next times
  remove   removes a schedule by its label

Example:
  ${commandLine('schedule', 'add gather-catalog --cron "0 6 * * *" --tz Europe/Prague --url http://127.0.0.1:8080')}
`;

/** The flags of an action are known only after it is loaded, so commander does not parse the words. */
export function makeScheduleCommand(edit: (words: readonly string[]) => Promise<void>): Command {
  const command = new Command('schedule')
    .summary('enqueue an action at certain times')
    .argument('[word...]')
    .allowUnknownOption()
    .action(async (words: string[]) => edit(words));
  command.helpInformation = () => HELP;
  return command;
}

/** Returns the exit code. */
export async function editSchedules(words: readonly string[]): Promise<number> {
  const [verb = 'list', name, ...args] = words;
  if (words.some((word) => word === '--help' || word === '-h')) printResult(HELP);
  else if (verb === 'add') await add(name, args);
  else if (verb === 'list') await withQueue(async (queue) => printResult(await renderSchedules(queue)));
  else if (verb === 'remove') await withQueue((queue) => remove(queue, name));
  else
    throw new ConfigError(
      `schedule has no command ${JSON.stringify(verb)}; its commands are add, list, remove.${didYouMean(verb, ['add', 'list', 'remove'])}`,
    );
  return Number(process.exitCode ?? 0);
}

async function add(target: string | undefined, args: readonly string[]): Promise<void> {
  if (target === undefined || target.startsWith('-'))
    throw new ConfigError(`Name an action first: ${commandLine('schedule', 'add <name|file> --cron "0 6 * * *"')}`);
  const action = await ActionLoader.install().load(findActionFile(target), new AbortController().signal);
  refuseTaken(action, FLAGS);
  const { params, values } = parseActionFlags(action, args, {
    target: `add ${target}`,
    command: 'schedule',
    flags: FLAGS,
    check: (given) => [
      ...checkQueueFlags(given),
      ...(given.has('cron')
        ? []
        : [{ flag: 'cron', message: '--cron is missing; it names the times, such as --cron "0 6 * * *".' }]),
    ],
  });
  const hidden = hiddenParameters(params);
  if (hidden.length > 0)
    throw new ConfigError(
      `${hidden.join(', ')} may be secret and can't be stored in a schedule. Let the action read it from the environment of the worker.`,
    );
  const cron = String(values.get('cron'));
  const timezone = (values.get('tz') as string | undefined) ?? 'UTC';
  const count = values.get('shards') as number | undefined;
  const name = (values.get('label') as string | undefined) ?? action.name;
  const crontab = `${cron} cd ${quoteForShell(process.cwd())} && ${commandLine('run', [target, ...args.filter(isOfAction(args))].map(quoteForShell).join(' '))}`;
  await withQueue(async (queue) => {
    const next = await addSchedule(queue, {
      name,
      cron,
      timezone,
      target,
      params,
      queueName: (values.get('queue') as string | undefined) ?? DEFAULT_QUEUE,
      retries: (values.get('retries') as number | undefined) ?? DEFAULT_RETRIES,
      ...(count !== undefined && { count }),
      allowsOverlap: values.get('allow-overlap') === true,
    });
    printResult(renderLines([`Scheduled ${name}: ${cron} (${timezone}), next at ${next.toISOString()}.`]));
  }, crontab);
}

/** Returns a filter that leaves out the flags of the command, and their values. */
function isOfAction(args: readonly string[]): (word: string, at: number) => boolean {
  const isOwn = (word = '') => FLAGS.some(({ name }) => word === `--${name}` || word.startsWith(`--${name}=`));
  const takesValue = (word = '') => FLAGS.some(({ name, kind }) => word === `--${name}` && kind !== 'boolean');
  return (word, at) => !isOwn(word) && !takesValue(args[at - 1]);
}

async function remove(queue: Queue, name: string | undefined): Promise<void> {
  if (name === undefined) throw new ConfigError(`Name a schedule: ${commandLine('schedule', 'remove <label>')}`);
  if (await removeSchedule(queue, name)) printResult(renderLines([`The schedule ${name} is removed.`]));
  else fail(`There is no schedule "${name}". Known: ${commandLine('schedule', 'list')}`);
}

async function renderSchedules(queue: Queue): Promise<string> {
  const schedules = await listSchedules(queue);
  if (schedules.length === 0) return renderLines(['There are no schedules.']);
  return renderColumns(
    [
      { title: 'NAME', least: 6 },
      { title: 'ACTION', least: 6 },
      { title: 'TIMES' },
      { title: 'ZONE' },
      { title: 'NEXT' },
    ],
    schedules.map(({ name, target, cron, timezone, next }) => [
      name,
      target,
      cron,
      timezone,
      next?.toISOString() ?? 'never',
    ]),
  );
}

async function withQueue(work: (queue: Queue) => Promise<void>, crontab?: string): Promise<void> {
  const config = loadConfig();
  if (!isPostgresUrl(config.registryUrl))
    throw new ConfigError(
      `Schedules need a registry in PostgreSQL: set REGISTRY_URL to postgres://host/database.${crontab === undefined ? ' Without it, use crontab.' : ` Without it, use this line of crontab:\n  ${crontab}`}`,
    );
  const log = makeLog({ level: config.logLevel, format: config.logFormat });
  await using queue = await openQueue(config.registryUrl, 'Schedules need', { log });
  await work(queue);
}
