/**
 * The entry point of actions and runs. Its invariants: an action is ordinary selenium code without code for sessions. A finished step is
 * never done again and never lost. The result of `run` counts only if its session was alive at the end.
 */
import type { z } from 'zod';

import type { Action } from './define-action.ts';
import type { RunOutcome } from './outcome.ts';
import type { ActionRehearsal, RehearsalOptions } from './rehearsal/rehearsal.ts';
import type { Run } from './run.ts';
import type { RunOptions } from './run-options.ts';

export type {
  ActionBatchOptions,
  ActionContext,
  ItemTools,
  PrepareContext,
  SaveOptions,
  SaveRecord,
  StepFunction,
  StepOptions,
  StepTools,
} from './context.ts';
export { defineAction, isAction, RUN_FLAGS, type Action, type ActionDefinition } from './define-action.ts';
export {
  DownloadTimedOutError,
  ExportError,
  ItemEndedError,
  PoisonedStepError,
  ReplayDivergedError,
  SessionUnusableError,
  StepTimedOutError,
  WindowSharedError,
} from './errors.ts';
export { EXPORT_FORMATS, type ExportFormat } from './exports/formats.ts';
export {
  exitCodeOf,
  isTakenAway,
  RunTimeoutError,
  type RunCounts,
  type RunOutcome,
  type RunProgress,
  type RunStatus,
} from './outcome.ts';
export type { RunOptions } from './run-options.ts';
export type { ActionRehearsal, Rehearsal, RehearsalOptions } from './rehearsal/rehearsal.ts';
export type { RehearsalScope } from './rehearsal/plan-kills.ts';
export { findRootCause, RUN_VERBS } from './root-cause.ts';
export { findReports, type FoundReports } from './reports/find-reports.ts';
export { hiddenParameters } from './stored-params.ts';
export type { OpenCall } from './steps/open-calls.ts';
export type { Run } from './run.ts';
export { DownloadsUnavailableError } from '../supervisor/supervisor.ts';
export type { DownloadOptions } from './downloads.ts';
export { RecordTooLargeError } from './steps/json-value.ts';

/**
 * Runs an action to its end. Rejects only before any work starts (`ConfigError`, `ActionError`, a browser that does not exist). The
 * outcome reports every later failure.
 */
export async function runAction<Params extends z.ZodObject>(
  action: Action<Params>,
  params: z.input<Params>,
  options: RunOptions = {},
): Promise<RunOutcome> {
  const run = await prepareRun(action, params, options);
  return run.execute();
}

/**
 * Runs an action undisturbed, then again while its sessions are killed, and compares the data. A test of an action expects no
 * `differences`. The work is done at least twice. If the first run does not complete, that is the only difference. Rejects like
 * {@link runAction}.
 *
 * @example
 * const { differences } = await rehearseAction(action, { url }, { output: false });
 * expect(differences).to.deep.equal([]);
 */
export async function rehearseAction<Params extends z.ZodObject>(
  action: Action<Params>,
  params: z.input<Params>,
  options: RehearsalOptions = {},
): Promise<ActionRehearsal> {
  const { rehearseRun } = await loadEngine();
  return rehearseRun(action, params, options);
}

/** Prepares a run for a caller that shows its progress. Rejects if the parameters or options are wrong; `execute` then does the work. */
export async function prepareRun(action: Action, given: unknown, options: RunOptions = {}): Promise<Run> {
  const engine = await loadEngine();
  return engine.prepareRun(action, given, options);
}

/** Loads the code that executes runs. A program that starts no run does not load it. */
export function loadEngine() {
  return import('./engine.ts');
}
