/**
 * The entry point of actions and runs. Its invariants: an action is ordinary selenium code and knows nothing of sessions. A finished step
 * is never done again and never lost. The result of `run` counts only if its session was alive at the end.
 */
import type { z } from 'zod';

import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { openRegistry } from '../registry/registry.ts';
import type { Action } from './define-action.ts';
import type { RunOutcome } from './outcome.ts';
import type { RehearsalScope } from './rehearsal/plan-kills.ts';
import { rehearse, warnOfEffects, type Rehearsal } from './rehearsal/rehearsal.ts';
import { WatchedRun } from './rehearsal/watched-run.ts';
import { makeRunId, parseParams, planRun, type RunOptions } from './run-options.ts';
import { assertSameOwner, findRun, resumeParams } from './resume.ts';
import { findRedone } from './replay/redo.ts';
import { Run } from './run.ts';

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
  assertWritableFolder,
  EXPORT_FORMATS,
  ExportError,
  exportRecords,
  type ExportFormat,
} from './exports/export.ts';
export { toFolderClaim } from './exports/output-folder.ts';
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
export { type Rehearsal, rehearse, warnOfEffects } from './rehearsal/rehearsal.ts';
export type { RehearsalScope } from './rehearsal/plan-kills.ts';
export { WatchedRun } from './rehearsal/watched-run.ts';
export { hiddenParameters } from './resume.ts';
export type { OpenCall } from './steps/open-calls.ts';
export type { Run } from './run.ts';
export { ReplayDivergedError } from './replay/replay.ts';
export { DownloadTimedOutError, type DownloadOptions } from './downloads.ts';
export { ItemEndedError, WindowSharedError } from './replay/command-guard.ts';
export { SessionUnusableError } from './sessions/session-renewals.ts';
export { RecordTooLargeError } from './steps/json-value.ts';
export { PoisonedStepError, StepTimedOutError } from './steps/step-errors.ts';

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

export interface RehearsalOptions extends Omit<RunOptions, 'resume' | 'redo' | 'recover'> {
  /** `some`: about five kills, spread over the run. `all`: each step and item is disturbed once. @default 'some' */
  readonly scope?: RehearsalScope;
}

/** A rehearsal with the outcome of the run that it is compared with. */
export interface ActionRehearsal extends Rehearsal {
  readonly undisturbed: RunOutcome;
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
  { scope = 'some', ...options }: RehearsalOptions = {},
): Promise<ActionRehearsal> {
  if ('resume' in options)
    throw new ConfigError('A rehearsal starts new runs; it cannot be used with the option `resume`.');
  const { config = loadConfig() } = options;
  const registry = options.registry ?? (await openRegistry(config.registryUrl));
  try {
    const given = { ...options, config, registry };
    warnOfEffects(action, given);
    const watched = new WatchedRun();
    const run = async (again: Action, againOptions: RunOptions) =>
      (await prepareRun(again, params, againOptions)).execute();
    const first = watched.watch(action, given);
    const undisturbed = await run(first.action, first.options);
    const rehearsal = await rehearse(undisturbed, { scope, action, options: given, registry, watched, run });
    return { ...rehearsal, undisturbed };
  } finally {
    if (options.registry === undefined) await registry.close();
  }
}

/** Prepares a run for a caller that shows its progress. Rejects if the parameters or options are wrong; `execute` then does the work. */
export async function prepareRun(action: Action, given: unknown, options: RunOptions = {}): Promise<Run> {
  const { config = loadConfig() } = options;
  const registry = options.registry ?? (await openRegistry(config.registryUrl));
  const close = async () => (options.registry === undefined ? registry.close() : undefined);
  try {
    const resumed = options.resume === undefined ? undefined : await findRun(registry, options.resume, action);
    assertSameOwner(resumed, options.owner);
    const raw = resumed === undefined ? given : resumeParams(resumed, given, (params) => parseParams(action, params));
    const params = parseParams(action, raw);
    const runId = resumed?.id ?? makeRunId();
    if (resumed !== undefined && options.redo !== undefined)
      findRedone(await Array.fromAsync(registry.runs.listSteps(runId)), options.redo, runId);
    const plan = await planRun(action, params, {
      runId,
      given: raw,
      options: { ...options, config },
      resumed,
      registry,
    });
    return new Run(action, params, { plan, registry, close });
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
