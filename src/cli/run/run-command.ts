/** The `run` command: finds the action, checks everything that can be checked before a browser starts, runs it, prints how it ended. */
import path from 'node:path';

import { loadConfig } from '../../config/config.ts';
import { raceSignal } from '../../core/abort.ts';
import { CancelledError, ConfigError, SupervisorError, toError } from '../../core/errors.ts';
import { makeLog, type Log } from '../../core/log.ts';
import { redactText } from '../../core/redact.ts';
import { openRegistry } from '../../registry/registry.ts';
import {
  exitCodeOf,
  findReports,
  isTakenAway,
  loadEngine,
  prepareRun,
  type Action,
  type Run,
  type RunOutcome,
} from '../../runs/runs.ts';
import { ActionLoader } from './load/action-loader.ts';
import { assertBrowserFits } from '../doctor/check-browser.ts';
import { warnOfZombies } from '../doctor/check-zombies.ts';
import { countRepeats } from './count-repeats.ts';
import { toNextCommands, type NextCommands } from './next-commands.ts';
import { describeDeath } from './describe-death.ts';
import { findActionFile, knownActions } from './load/find-action.ts';
import { commandLine } from '../terminal/command-line.ts';
import { MisuseWatch } from './misuse-watch.ts';
import type { ProgramEnd } from '../terminal/program-end.ts';
import { captureStderr, makeConsole, openProgress, type ProgressDisplay } from '../terminal/progress-display.ts';
import { describeStack, EXIT_CANCELLED, EXIT_FAILED } from '../terminal/report-error.ts';
import { parseRunFlags, type RunRequest } from './run-flags.ts';
import { makeActionHelp } from './run-help.ts';
import { listenForStop } from '../terminal/stop-signals.ts';
import { checkSource, describeSourceWarning } from './load/source-warnings.ts';
import { describeNext, describeRehearsal, summarize } from './summarize.ts';
import { printJson, printNote, printResult, readLogFormat } from '../terminal/terminal.ts';

/** Returns the exit code. Throws the errors that it finds before the run begins. From then on only `end` can end the program. */
export async function runAction(args: readonly string[], end: ProgramEnd): Promise<number> {
  const [target, ...rest] = args;
  if (target === undefined || target.startsWith('-')) {
    const where = target === undefined ? '' : ` first, before ${target}`;
    throw new ConfigError(
      `Name an action${where}: ${commandLine('run', '<name|file> [--parameter value …]')}.${knownActions()}`,
    );
  }
  const display = openProgress();
  const stop = new AbortController();
  const unlisten = listenForStop({
    onStop: () => {
      display.note('Stopping; press Ctrl+C again to kill\n');
      stop.abort(new CancelledError('The run was cancelled.'));
    },
    onKill: () => {
      display.stop();
      end.exit(EXIT_CANCELLED);
    },
  });
  const failures: Error[] = [];
  const misuse = MisuseWatch.start({ end, stop, failures });
  globalThis.console = makeConsole(display);
  using _capture = readLogFormat() === 'json' ? captureStderr(display) : undefined;
  try {
    return await load(target, rest, { display, stop, failures, misuse });
  } finally {
    display.stop();
    unlisten();
  }
}

interface Surroundings {
  readonly display: ProgressDisplay;
  readonly stop: AbortController;
  /** Errors that the action's code threw, with their stacks. */
  readonly failures: Error[];
  readonly misuse: MisuseWatch;
}

async function load(target: string, args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { signal } = surroundings.stop;
  const isHelp = args.some((arg) => arg === '--help' || arg === '-h');
  const file = findActionFile(target);
  // Asking for the browser's version takes as long as loading the action, so both are done at once. With --grid it is not needed.
  const isRemote = isHelp || args.some((arg) => /^--grid(=|$)/.test(arg));
  const fits = isRemote ? Promise.resolve() : assertBrowserFits(loadConfig());
  fits.catch(() => undefined);
  surroundings.misuse.source = { file };
  const loader = ActionLoader.install();
  const action = await loader.load(file, signal);
  surroundings.misuse.source = { file, action };
  if (isHelp) {
    printResult(makeActionHelp(action, target));
    return 0;
  }
  const request = parseRunFlags(action, args, target);
  const sourceWarnings = await checkSource(file);
  await fits;
  signal.throwIfAborted();
  // An action that was named by its name is found again without its file.
  const byFile = target === action.name ? {} : { target };
  const reloadAction = async () => collectFailures(await loader.reload(), surroundings.failures);
  const options = { ...request.options, ...byFile, sourceWarnings, reloadAction };
  return runRequest(
    action,
    { ...request, options },
    {
      ...surroundings,
      next: toNextCommands(action, { target, args, request }),
    },
  );
}

interface RunSurroundings extends Surroundings {
  readonly next: NextCommands;
}

async function runRequest(
  action: Action,
  request: RunRequest,
  { display, stop, failures, misuse, next }: RunSurroundings,
): Promise<number> {
  const { isVerbose, isJson, rehearsal: scope, config } = request;
  const log = countRepeats(
    makeLog({
      level: isVerbose ? 'debug' : config.logLevel,
      format: config.logFormat,
      write: (line) => display.print(line),
    }),
  );
  forwardWarnings(log);
  void warnOfZombies(log);
  for (const warning of request.options.sourceWarnings ?? []) log.warn(describeSourceWarning(warning));
  await using registry = await openRegistry(config.registryUrl);
  const nextOf = (id: string) => ({ ...next, resume: next.resume(id), exportTo: next.exportTo(id) });
  const options = {
    ...request.options,
    registry,
    config,
    log,
    signal: stop.signal,
    describeNext: (ended: RunOutcome) => describeNext(ended, nextOf(ended.runId)),
    onDeath: (death: RunOutcome['deaths'][number]) => {
      const isLast = request.options.recover === false || stop.signal.aborted || isTakenAway(death);
      const result = isLast ? 'the run ends' : 'the run continues on a new session';
      // The socket or the answer that revealed the death says less than its reason.
      const message = death.diagnosis.reason === 'unknown' ? `: ${death.evidence.message}` : '';
      log.warn(`${describeDeath(death, run.progress.counts)}${message}; ${result}`);
    },
  };
  const { rehearse, warnOfEffects, WatchedRun } = await loadEngine();
  const watched = new WatchedRun();
  if (scope !== undefined) warnOfEffects(action, options);
  const first = scope === undefined ? { action, options } : watched.watch(action, options);
  const prepared = prepareRun(collectFailures(first.action, failures), request.params, first.options);
  const run: Run = await raceSignal(prepared, stop.signal);
  misuse.openCalls = () => run.openCalls;
  display.watch(() => run.progress);
  const outcome = await run.execute();
  display.stop();
  log.writeCounts();

  const matching = failures.filter(({ message }) => outcome.error?.message.includes(message));
  const foreign = matching.findLast((error) => !(error instanceof SupervisorError));
  const failure = foreign ?? matching.at(-1);
  const isTimeout = outcome.error?.code === 'run-timed-out';
  const isOfAction = outcome.error?.code === 'action-error';
  const failedAt =
    isTimeout || isOfAction || foreign !== undefined ? misuse.findLocation(isTimeout ? foreign : failure) : undefined;
  // With --json a program reads stdout. The text then goes to stderr, for the reader of the log.
  const printLines = (lines: readonly string[]) =>
    (isJson ? printNote : printResult)(lines.map((line) => `${line}\n`).join(''));
  if (isVerbose && failure !== undefined) printNote(`${redactText(describeStack(failure))}\n`);
  printLines(summarize(outcome, { ...nextOf(outcome.runId), failedAt, recording: await findRecording(outcome) }));
  const rehearsal =
    scope !== undefined && outcome.status === 'completed'
      ? await rehearse(outcome, {
          scope,
          action,
          options: { ...options, onDeath: () => undefined },
          registry,
          watched,
          run: async (watchedAction, watchedOptions) => {
            printLines(['Rehearsing: the same work again, while its sessions are killed.']);
            const disturbed = await prepareRun(watchedAction, request.params, watchedOptions);
            display.watch(() => disturbed.progress);
            return disturbed.execute();
          },
        })
      : undefined;
  display.stop();
  log.writeCounts();
  if (rehearsal !== undefined) printLines(describeRehearsal(rehearsal));
  if (isJson) printJson({ ...outcome, ...(rehearsal && { rehearsal }) });
  if (rehearsal?.outcome.status === 'cancelled') return EXIT_CANCELLED;
  if (rehearsal !== undefined && rehearsal.differences.length > 0) return EXIT_FAILED;
  return exitCodeOf(outcome);
}

/** Returns the page about the last death or failed step of a run that did not complete. */
async function findRecording({ status, report }: RunOutcome): Promise<string | undefined> {
  if (status === 'completed' || report === null) return undefined;
  const { recordings } = await findReports(path.dirname(report));
  return recordings.at(-1)?.file;
}

/** Collects the errors that the action throws. An outcome has only their code and message; the author also needs the location. */
function collectFailures(action: Action, failures: Error[]): Action {
  const watched =
    <Context>(code: (context: Context) => Promise<void> | void) =>
    async (context: Context) => {
      try {
        await code(context);
      } catch (thrown) {
        failures.push(toError(thrown));
        throw thrown;
      }
    };
  return {
    ...action,
    run: watched((context) => action.run(context)),
    ...(action.prepare === undefined ? {} : { prepare: watched((context) => action.prepare?.(context)) }),
  };
}

/** Node's own warnings, such as how it read the action's module, are for --verbose. */
function forwardWarnings(log: Log): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => log.debug(`${name}: ${message}`));
}
