/**
 * The room of actions and runs. Its laws: an action is ordinary selenium code and knows nothing of sessions; a finished step is never
 * done again and never lost; a run's answer counts only if its session lived to the end of it.
 */
import type { z } from 'zod';

import { loadConfig } from '../config/config.ts';
import { openRegistry } from '../registry/registry.ts';
import type { Action } from './define-action.ts';
import type { RunOutcome } from './outcome.ts';
import { makeRunId, parseParams, planRun, type RunOptions } from './run-options.ts';
import { assertSameOwner, findRun, resumeParams } from './resume.ts';
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
export { assertWritableFolder, EXPORT_FORMATS, ExportError, exportRecords, type ExportFormat } from './export.ts';
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
export { rehearse, type Rehearsal } from './rehearse.ts';
export { hiddenParameters } from './resume.ts';
export type { Run } from './run.ts';
export { ReplayDivergedError } from './replay.ts';
export { PoisonedStepError, StepTimedOutError } from './step-errors.ts';

/**
 * Runs an action to its end. Rejects only with what is wrong before any work starts (`ConfigError`, `ActionError`, a browser that is
 * not there); everything later is told by the outcome.
 */
export async function runAction<Params extends z.ZodObject>(
  action: Action<Params>,
  params: z.input<Params>,
  options: RunOptions = {},
): Promise<RunOutcome> {
  const run = await prepareRun(action, params, options);
  return run.execute();
}

/** The same in two moves, for those who show the run's progress: what is refused is refused here, `execute` does the work. */
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
    const plan = await planRun(action, params, { runId, given: raw, options: { ...options, config }, resumed });
    return new Run(action, params, { plan, registry, close });
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
