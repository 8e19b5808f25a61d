/** The `enqueue` command: puts the shards of an action into the queue, and follows them if the user wants. */
import { setTimeout as pause } from 'node:timers/promises';

import { Command } from 'commander';

import { loadConfig } from '../../config/config.ts';
import { count } from '../../core/describe-number.ts';
import { ConfigError } from '../../core/errors.ts';
import { makeLog, type Log } from '../../core/log.ts';
import { DEFAULT_QUEUE, DEFAULT_RETRIES, enqueue, openQueue, resumeParent } from '../../fleet/fleet.ts';
import type { StoredRun } from '../../model/run.ts';
import { openRegistry, type Registry } from '../../registry/registry.ts';
import { exitCodeOf, type Action, type RunProgress, type RunStatus } from '../../runs/runs.ts';
import { runToJson } from '../inspect/render-run.ts';
import { writeFiles } from '../inspect/runs-command.ts';
import { toActionParameters } from '../run/action-flags.ts';
import type { Flag, FlagProblem } from '../run/flags.ts';
import { ActionLoader } from '../run/load/action-loader.ts';
import { findActionFile, knownActions } from '../run/load/find-action.ts';
import { parseActionFlags } from '../run/run-flags.ts';
import { makeEnqueueHelp } from '../run/run-help.ts';
import { commandLine } from '../terminal/command-line.ts';
import type { ProgramEnd } from '../terminal/program-end.ts';
import { openProgress } from '../terminal/progress-display.ts';
import { EXIT_CANCELLED } from '../terminal/report-error.ts';
import { listenForStop } from '../terminal/stop-signals.ts';
import { renderLines } from '../terminal/text-table.ts';
import { printJson, printNote, printResult } from '../terminal/terminal.ts';

const FOLLOW_MS = 500;
const QUEUE_NAME = /^[\w-]{1,40}$/;

/** The flags that say how an action is enqueued, now or at a time. */
export const QUEUE_FLAGS: readonly Flag[] = [
  {
    name: 'shards',
    kind: 'number',
    placeholder: 'number',
    description: 'the number of shards, for the action to split by',
  },
  {
    name: 'retries',
    kind: 'number',
    placeholder: 'number',
    description: 'how often a shard is tried again after its worker was lost or its run failed',
    defaultValue: DEFAULT_RETRIES,
  },
  {
    name: 'queue',
    kind: 'text',
    placeholder: 'name',
    description: 'the queue, for workers that take only this one',
    defaultValue: DEFAULT_QUEUE,
  },
];

const FLAGS: readonly Flag[] = [
  ...QUEUE_FLAGS,
  {
    name: 'resume',
    kind: 'text',
    placeholder: 'run',
    description: 'enqueue the shards of this run again that are not completed, with its parameters',
  },
  { name: 'wait', kind: 'boolean', defaultValue: false, description: 'follow the run to its end; exit as `run` does' },
  { name: 'json', kind: 'boolean', defaultValue: false, description: 'print the run as one line of JSON, last' },
  { name: 'verbose', kind: 'boolean', defaultValue: false, description: 'show where errors come from' },
  { name: 'help', kind: 'boolean', defaultValue: false, description: 'show this; after a name, with its parameters' },
];

/** An action's flags are known only after it is loaded, so commander does not parse the words. */
export function makeEnqueueCommand(enqueueWords: (words: readonly string[]) => Promise<void>): Command {
  const command = new Command('enqueue')
    .summary('split the work of an action for workers on several machines')
    .argument('[name|file...]')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      if (words[0] === '--help' || words[0] === '-h') printResult(makeEnqueueHelp(FLAGS));
      else await enqueueWords(words);
    });
  command.helpInformation = () => makeEnqueueHelp(FLAGS);
  return command;
}

/** Returns the exit code. */
export async function enqueueAction(args: readonly string[], end: ProgramEnd): Promise<number> {
  const [target, ...rest] = args;
  if (target === undefined || target.startsWith('-'))
    throw new ConfigError(
      `Name an action first: ${commandLine('enqueue', '<name|file> [--parameter value …]')}.${knownActions()}`,
    );
  const stop = new AbortController();
  const unlisten = listenForStop({ onStop: () => stop.abort(), onKill: () => end.exit(EXIT_CANCELLED) });
  try {
    const action = await ActionLoader.install().load(findActionFile(target), stop.signal);
    if (rest.some((word) => word === '--help' || word === '-h')) {
      printResult(makeEnqueueHelp(FLAGS, { action, target }));
      return 0;
    }
    refuseTaken(action);
    return await enqueueLoaded(action, { target, args: rest, signal: stop.signal });
  } finally {
    unlisten();
  }
}

async function enqueueLoaded(
  action: Action,
  { target, args, signal }: { readonly target: string; readonly args: readonly string[]; readonly signal: AbortSignal },
): Promise<number> {
  const { params, values } = parseActionFlags(action, args, {
    target,
    command: 'enqueue',
    flags: FLAGS,
    check: checkQueueFlags,
  });
  const config = loadConfig();
  const log = makeLog({ level: config.logLevel, format: config.logFormat });
  await using queue = await openQueue(config.registryUrl, '`enqueue` needs', { log });
  await using registry = await openRegistry(config.registryUrl);
  const options = {
    registry,
    queue,
    target,
    queueName: values.get('queue') as string | undefined,
    count: values.get('shards') as number | undefined,
    retries: (values.get('retries') as number | undefined) ?? DEFAULT_RETRIES,
  };
  const resume = values.get('resume') as string | undefined;
  const { parentId, shards } =
    resume === undefined
      ? await enqueue(action, params, options)
      : await resumeParent(await findParent(registry, resume, action), options);
  const isJson = values.get('json') === true;
  const waits = values.get('wait') === true;
  (isJson || waits ? printNote : printResult)(
    renderLines([
      `Enqueued ${count(shards, 'shard')} of ${action.name}, run ${parentId}.`,
      ...(waits ? [] : ['To do them, on any machine:', `  ${commandLine('worker')}`]),
      'To see its progress:',
      `  ${commandLine('runs', `show ${parentId}`)}`,
    ]),
  );
  if (waits) return await follow(parentId, { registry, isJson, signal, log });
  const run = await registry.runs.get(parentId);
  if (isJson && run !== undefined) printJson(runToJson(run));
  return 0;
}

async function findParent(registry: Registry, typed: string, action: Action): Promise<StoredRun> {
  const run = await registry.runs.get(typed);
  if (run === undefined || run.action !== action.name)
    throw new ConfigError(`There is no run ${typed} of ${action.name}. ${commandLine('runs')} shows the runs.`);
  return run;
}

interface Following {
  readonly registry: Registry;
  readonly isJson: boolean;
  readonly signal: AbortSignal;
  readonly log: Log;
}

async function follow(id: string, { registry, isJson, signal, log }: Following): Promise<number> {
  const display = openProgress();
  try {
    let run = await registry.runs.get(id);
    display.watch(() => toProgress(run));
    while (run !== undefined && run.endedAt === null) {
      if (signal.aborted) {
        display.stop();
        printNote(`The run ${id} continues. To end it: ${commandLine('runs', `cancel ${id}`)}\n`);
        return EXIT_CANCELLED;
      }
      await pause(FOLLOW_MS, undefined, { signal }).catch(() => undefined);
      run = await registry.runs.get(id);
    }
    display.stop();
    if (run === undefined) throw new ConfigError(`The run ${id} was removed.`);
    if (run.error !== null) log.error(run.error.message);
    if (isJson) printJson(runToJson(run));
    else await writeFiles(registry, id, {});
    return exitCodeOf({ status: run.status as RunStatus, error: run.error, sessions: run.sessions });
  } finally {
    display.stop();
  }
}

function toProgress(run: StoredRun | undefined): RunProgress {
  const counts = run?.counts ?? { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };
  return {
    counts,
    units: { done: counts.total - counts.queued - counts.running, total: counts.total },
    display: run?.display ?? null,
    records: run?.records ?? 0,
    sessions: run?.sessions ?? 0,
    deaths: run?.deaths ?? [],
    queue: null,
    state: run?.status === 'pending' ? 'starting' : 'running',
  };
}

export function checkQueueFlags(values: ReadonlyMap<string, unknown>): FlagProblem[] {
  const problems: FlagProblem[] = [];
  for (const [flag, min] of [
    ['shards', 1],
    ['retries', 0],
  ] as const) {
    const value = values.get(flag);
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= min))
      problems.push({ flag, message: `--${flag} is ${value}; it must be a whole number of at least ${min}.` });
  }
  const queue = values.get('queue');
  if (typeof queue === 'string' && !QUEUE_NAME.test(queue))
    problems.push({ flag: 'queue', message: '--queue must be 1 to 40 letters, digits, - or _.' });
  if (values.has('resume') && values.has('shards'))
    problems.push({ flag: 'shards', message: '--resume continues the shards that the run has; leave --shards out.' });
  return problems;
}

/** Throws `ConfigError` if a parameter of the action has the name of a flag of `enqueue`. */
export function refuseTaken(action: Action, flags: readonly Flag[] = FLAGS): void {
  const own = flags.map(({ name }) => name);
  const taken = toActionParameters(action).filter(({ name }) => own.includes(name));
  if (taken.length === 0) return;
  throw new ConfigError(
    `${action.name} can't be enqueued: --${taken[0]?.name} is a flag of \`enqueue\` itself; give the parameter "${taken[0]?.parameter}" another name.`,
  );
}
