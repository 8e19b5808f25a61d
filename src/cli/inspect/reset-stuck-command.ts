/** The `reset-stuck` command, for emergencies: lists what makes no progress, and for how long; with `--execute` times it out. */
import { Command } from 'commander';

import { count, listSome } from '../../core/describe-number.ts';
import type { Config } from '../../config/config.ts';
import { ConfigError } from '../../core/errors.ts';
import { makeLog } from '../../core/log.ts';
import { describeDuration } from '../../core/describe-time.ts';
import { thisProcess } from '../../driver/driver.ts';
import { lookForStuck, toStuckView } from '../../monitor/monitor.ts';
import type { Registry } from '../../registry/registry.ts';
import { resetStuck, type Idle, type StuckReset } from '../../upkeep/upkeep.ts';
import { commandLine, describeKeptByNpm, flagsKeptByNpm } from '../terminal/command-line.ts';
import { withRegistry } from './registry-commands.ts';
import { EXIT_FAILED } from '../terminal/report-error.ts';
import { resumeLine } from './stored-run.ts';
import { shortSessionId } from './subjects.ts';
import { countIdle, renderIdle, subjectOf } from './render-idle.ts';
import { renderLines } from '../terminal/text-table.ts';
import { printJson, printResult } from '../terminal/terminal.ts';

const MINUTE_MS = 60_000;
const FLAGS = ['timeout', 'execute', 'json', 'verbose'];
const MAX_RESUMES_SHOWN = 20;
const MAX_SESSIONS_NAMED = 5;
const RESUME_NOTE = 'Finished work is stored; runs can be resumed.';

interface ResetOptions {
  readonly timeout?: string;
  readonly execute?: boolean;
  readonly json?: boolean;
}

interface Request {
  readonly timeoutMs: number;
  /** The flags as typed, without `--execute`. */
  readonly words: string;
  readonly json: boolean;
}

export function makeResetStuckCommand(): Command {
  return new Command('reset-stuck')
    .summary('list what is stuck, and time it out; changes nothing without --execute')
    .description(
      'For emergencies: lists the runs that make no progress and the sessions without a run that get no command, and for how long. With --execute they are timed out and their browsers are ended. Finished work is stored; runs can be resumed.',
    )
    .configureHelp({ commandUsage: () => commandLine('reset-stuck', '[options]') })
    .option(
      '--timeout <minutes>',
      'the time without progress after which work is stuck; large runs are allowed up to three times as long (default: SESSION_TIMEOUT_MINUTES, 30)',
    )
    .option('--execute', 'time out what is stuck')
    .option('--json', 'print one line of JSON')
    .option('--verbose', 'show where errors come from')
    .addHelpText(
      'after',
      `\nExit codes: 0, or 1 if a browser could not be ended or something stays stuck.\n\n` +
        `Examples:\n  ${commandLine('reset-stuck')}\n  ${commandLine('reset-stuck', '--timeout 10 --execute')}`,
    )
    .action((options: ResetOptions, { args }: Command) => {
      throwIfMistyped(args);
      const askedMs = options.timeout === undefined ? undefined : toMinutes(options.timeout) * MINUTE_MS;
      const { execute = false, json = false } = options;
      return withRegistry(async (registry, config) => {
        const request = {
          timeoutMs: askedMs ?? config.sessionTimeoutMs,
          words: options.timeout === undefined ? '' : `--timeout ${options.timeout}`,
          json,
        };
        const found = await look(registry, request.timeoutMs);
        if (execute) await reset(registry, found, { ...request, config });
        else printFound(found, request);
      });
    });
}

async function look(registry: Registry, timeoutMs: number): Promise<readonly Idle[]> {
  const { stuck } = await lookForStuck(registry, {
    host: thisProcess().host,
    thresholds: { warningMs: timeoutMs, timeoutMs },
    // Only a process that ran while the machine slept can detect the sleep.
    pausedSince: () => 0,
  });
  return stuck;
}

function printFound(found: readonly Idle[], { timeoutMs, words, json }: Request): void {
  const command = commandLine('reset-stuck', [words, '--execute'].filter(Boolean).join(' '));
  if (json) {
    printJson({
      dry_run: true,
      timeout_minutes: timeoutMs / MINUTE_MS,
      count: found.length,
      runs: found.map(({ runId }) => runId).filter((id) => id !== null),
      sessions: found.map(({ sessionId }) => sessionId).filter((id) => id !== null),
      stuck: found.map(toStuckView),
      failures: [],
      command,
    });
    return;
  }
  if (found.length === 0) {
    printResult(renderLines([describeNothing(timeoutMs)]));
    return;
  }
  const lines = [
    `${found.length} would be reset: ${countIdle(found)}. ${RESUME_NOTE}`,
    '',
    'Nothing is changed yet. To do it:',
    `  ${command}`,
  ];
  printResult(`${renderIdle(found)}\n${renderLines(lines)}`);
}

async function reset(
  registry: Registry,
  found: readonly Idle[],
  { timeoutMs, words, json, config }: Request & { readonly config: Config },
): Promise<void> {
  const { host } = thisProcess();
  const log = makeLog({ level: 'warn', format: config.logFormat });
  const { gridUrl, gridProxy, heartbeatIntervalMs } = config;
  const gridRoute = { proxy: gridProxy };
  // Printed first, because the reset gives programs that still run some seconds to end their browsers themselves.
  if (!json && found.length > 0) printResult(`${renderIdle(found)}\n`);
  const done = await resetStuck(found, {
    registry,
    host,
    gridUrl,
    gridRoute,
    heartbeatIntervalMs,
    log,
    by: 'a person',
  });
  const ids = new Set([...done.runIds, ...done.sessionIds]);
  const changed = found.filter((idle) => ids.has(subjectOf(idle)));
  const remaining = await look(registry, timeoutMs);
  if (remaining.length > 0 || done.failures.length > 0) process.exitCode = EXIT_FAILED;
  const runIds = changed.map(({ runId }) => runId).filter((id) => id !== null);
  const resumes = await listResumes(registry, json ? runIds : runIds.slice(0, MAX_RESUMES_SHOWN));
  if (json) {
    printJson({
      dry_run: false,
      timeout_minutes: timeoutMs / MINUTE_MS,
      count: changed.length,
      runs: runIds,
      sessions: done.sessionIds,
      stuck: found.map(toStuckView),
      failures: done.failures.map(({ sessionId, message }) => ({ session_id: sessionId, message })),
      remaining: remaining.length,
      resume: resumes,
    });
    return;
  }
  if (found.length === 0) {
    printResult(renderLines([describeNothing(timeoutMs)]));
    return;
  }
  const lines = [
    ...describeReset({ found, changed, done, host }),
    remaining.length === 0
      ? 'Checked again: nothing is stuck any more.'
      : `Checked again: ${remaining.length} ${remaining.length === 1 ? 'is' : 'are'} stuck: ${countIdle(remaining)}. To list them:`,
    ...(remaining.length === 0 ? [] : [`  ${commandLine('reset-stuck', words)}`]),
    ...(resumes.length === 0
      ? []
      : [
          '',
          resumes.length === 1 ? 'Resume the run:' : 'Resume the runs:',
          ...resumes.map(({ command }) => `  ${command}`),
        ]),
    ...(runIds.length > resumes.length
      ? ['List all runs that timed out:', `  ${commandLine('runs', 'list --status timed_out')}`]
      : []),
  ];
  printResult(renderLines(lines));
}

function describeReset({
  found,
  changed,
  done: { sessionIds, failures },
  host,
}: {
  readonly found: readonly Idle[];
  readonly changed: readonly Idle[];
  readonly done: StuckReset;
  readonly host: string;
}): string[] {
  const moved = found.length - changed.length;
  const elsewhere = changed.filter((idle) => idle.sessionId !== null && idle.host !== host).length;
  const failed = failures.map(({ sessionId }) => shortSessionId(sessionId));
  return [
    `Reset ${changed.length}: ${countIdle(changed)}; ${count(sessionIds.length, 'session')} ended. ${RESUME_NOTE}`,
    ...(moved === 0
      ? []
      : [`${moved} went on or ended in the meantime, and ${moved === 1 ? 'is' : 'are'} not changed.`]),
    ...(elsewhere === 0
      ? []
      : [
          elsewhere === 1
            ? '1 on another machine: its program notices this within seconds and ends its browser.'
            : `${elsewhere} on other machines: their programs notice this within seconds and end their browsers.`,
        ]),
    ...(failures.length === 0
      ? []
      : [
          `${count(failures.length, 'browser')} could not be ended, for the reason above: session ${listSome(failed, MAX_SESSIONS_NAMED)}.`,
        ]),
  ];
}

function describeNothing(timeoutMs: number): string {
  return `Nothing is stuck: all work has made progress within ${describeDuration(timeoutMs)}, or is large and may take longer.`;
}

/** Returns the resume commands of those runs that still exist, in the order of `runIds`. */
async function listResumes(
  registry: Registry,
  runIds: readonly string[],
): Promise<{ readonly run_id: string; readonly command: string }[]> {
  const resumes: { run_id: string; command: string }[] = [];
  for (const id of runIds) {
    const run = await registry.runs.get(id);
    if (run !== undefined) resumes.push({ run_id: id, command: resumeLine(run) });
  }
  return resumes;
}

function throwIfMistyped([word]: readonly string[]): void {
  const taken = flagsKeptByNpm(FLAGS, { args: process.argv.slice(2) });
  if (taken.length > 0) {
    const flags = taken.map((name) => (name === 'timeout' ? '--timeout MINUTES' : `--${name}`));
    throw new ConfigError(describeKeptByNpm(taken, commandLine('reset-stuck', flags.join(' '))));
  }
  if (word !== undefined)
    throw new ConfigError(
      `reset-stuck takes flags only; ${JSON.stringify(word)} is not a flag. See ${commandLine('reset-stuck', '--help')}`,
    );
}

function toMinutes(text: string): number {
  const minutes = Number(text);
  if (/^(\d+\.?\d*|\.\d+)$/.test(text) && minutes > 0 && Number.isFinite(minutes)) return minutes;
  throw new ConfigError(
    `--timeout is ${JSON.stringify(text)}; it must be a number of minutes above 0, such as 10 or 0.5.`,
  );
}
