/**
 * The room of actions and runs. Its laws: an action is ordinary selenium code and knows nothing of sessions; a finished step is never
 * done again and never lost; a run's answer counts only if its session lived to the end of it.
 */
import type { z } from 'zod';

import type { Action } from './define-action.ts';
import type { RunOutcome } from './outcome.ts';
import { parseParams, planRun, type RunOptions } from './run-options.ts';
import { makeRunId, Run } from './run.ts';

export type {
  ActionBatchOptions,
  ActionContext,
  ItemTools,
  PrepareContext,
  SaveOptions,
  SaveRecord,
  StepOptions,
  StepTools,
} from './context.ts';
export { defineAction, isAction, RUN_FLAGS, toFlag, type Action, type ActionDefinition } from './define-action.ts';
export { EXPORT_FORMATS, ExportError, type ExportFormat } from './export.ts';
export { toExitCode, type RunCounts, type RunOutcome, type RunStatus } from './outcome.ts';
export { toSupervisorOptions, type RunOptions } from './run-options.ts';
export { RunTimeoutError, type Run, type RunProgress } from './run.ts';
export { PoisonedStepError } from './steps.ts';

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
export async function prepareRun(action: Action, params: unknown, options: RunOptions = {}): Promise<Run> {
  const parsed = parseParams(action, params);
  const plan = await planRun(action, parsed, { runId: makeRunId(), options });
  return new Run(action, parsed, plan);
}
