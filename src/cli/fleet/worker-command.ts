/** The `worker` command: the long-lived program that does shards. */
import { Command } from 'commander';

import { loadConfig } from '../../config/config.ts';
import { makeLog } from '../../core/log.ts';
import { DEFAULT_QUEUE, openQueue, startScheduler, Worker, type LoadedAction } from '../../fleet/fleet.ts';
import { openRegistry } from '../../registry/registry.ts';
import { assertBrowserFits } from '../doctor/check-browser.ts';
import { ActionLoader } from '../run/load/action-loader.ts';
import { findActionFile } from '../run/load/find-action.ts';
import { checkSource } from '../run/load/source-warnings.ts';
import { commandLine } from '../terminal/command-line.ts';
import { EXIT_CANCELLED } from '../terminal/report-error.ts';
import { listenForStop } from '../terminal/stop-signals.ts';
import { toWhole } from '../terminal/whole-number.ts';

const DEFAULT_DRAIN_SECONDS = '30';
const MAX_CONCURRENCY = 1_000;
const MAX_DRAIN_SECONDS = 86_400;

interface WorkerFlags {
  readonly concurrency: string;
  readonly queue: string;
  readonly drain: string;
}

export function makeWorkerCommand(): Command {
  return new Command('worker')
    .summary('do the shards of enqueued runs, on this machine')
    .description(
      'Takes shards from the queue until it is stopped, each as a run with its own browser. Any number of workers on any number of machines share a queue. Needs a registry in PostgreSQL.',
    )
    .configureHelp({ commandUsage: () => commandLine('worker', '[options]') })
    .option('--concurrency <number>', 'the number of shards at a time', '1')
    .option('--queue <name>', 'the queue', DEFAULT_QUEUE)
    .option(
      '--drain <seconds>',
      'after SIGTERM or Ctrl+C: how long the shards at work may take before another worker continues them; a second signal ends at once',
      DEFAULT_DRAIN_SECONDS,
    )
    .option('--verbose', 'show where errors come from')
    .addHelpText('after', `\nExamples:\n  ${commandLine('worker')}\n  ${commandLine('worker', '--concurrency 2')}`)
    .action(async (flags: WorkerFlags) => work(flags));
}

async function work(flags: WorkerFlags): Promise<void> {
  const concurrency = toWhole('--concurrency', flags.concurrency, { min: 1, max: MAX_CONCURRENCY });
  const drainMs = toWhole('--drain', flags.drain, { min: 0, max: MAX_DRAIN_SECONDS }) * 1_000;
  const config = loadConfig();
  const log = makeLog({ level: config.logLevel, format: config.logFormat, isTimed: !process.stderr.isTTY });
  const stopped = Promise.withResolvers<void>();
  const unlisten = listenForStop({
    onStop: (signal) => {
      log.info('The worker takes no more shards; a second signal ends it at once', { signal });
      stopped.resolve();
    },
    onKill: () => process.exit(EXIT_CANCELLED),
  });
  try {
    await using queue = await openQueue(config.registryUrl, '`worker` needs', { log, isWorker: true });
    await using registry = await openRegistry(config.registryUrl);
    if (config.gridUrl === undefined) await assertBrowserFits(config);
    const loadAction = makeLoad(ActionLoader.install());
    const worker = await Worker.start({
      registry,
      queue,
      config,
      log,
      loadAction,
      queueName: flags.queue,
      concurrency,
    });
    await startScheduler({ registry, queue, log, loadAction });
    log.info(`The worker waits for shards in the queue "${flags.queue}"; Ctrl+C ends it`);
    await stopped.promise;
    await worker.drain(drainMs);
  } finally {
    unlisten();
  }
}

/** An action with variables in its module gets a new instance for each shard, as it would in a program of its own. */
function makeLoad(loader: ActionLoader): (target: string) => Promise<LoadedAction> {
  const { signal } = new AbortController();
  return async (target) => {
    const file = findActionFile(target);
    const sourceWarnings = await checkSource(file);
    const reloadAction = () => loader.loadAnew(file, signal);
    const hasState = sourceWarnings.some(({ isModuleState }) => isModuleState);
    const action = hasState ? await reloadAction() : await loader.load(file, signal);
    return { action, sourceWarnings, reloadAction };
  };
}
