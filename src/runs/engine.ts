/** Everything that does a run. Loaded with the first one. */
import { loadConfig } from '../config/config.ts';
import { ConfigError } from '../core/errors.ts';
import { openRegistry } from '../registry/registry.ts';
import type { Action } from './define-action.ts';
import { rehearse, warnOfEffects, type ActionRehearsal, type RehearsalOptions } from './rehearsal/rehearsal.ts';
import { WatchedRun } from './rehearsal/watched-run.ts';
import { makeRunId, parseParams, planRun, type RunOptions } from './run-options.ts';
import { assertSameOwner, findRun, resumeParams } from './resume.ts';
import { findRedone } from './replay/redo.ts';
import { Run } from './run.ts';

export { assertWritableFolder, exportRecords } from './exports/export.ts';
export { makeRunId, parseParams } from './run-options.ts';
export { toStoredParams } from './stored-params.ts';
export { toFolderClaim } from './exports/output-folder.ts';
export { rehearse, warnOfEffects } from './rehearsal/rehearsal.ts';
export { WatchedRun } from './rehearsal/watched-run.ts';

/** Throws what is refused before any work starts. */
export async function prepareRun(action: Action, given: unknown, options: RunOptions = {}): Promise<Run> {
  const { config = loadConfig() } = options;
  const registry = options.registry ?? (await openRegistry(config.registryUrl));
  const close = async () => (options.registry === undefined ? registry.close() : undefined);
  try {
    const resumed = options.resume === undefined ? undefined : await findRun(registry, action, options);
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

/** Throws as `rehearseAction` does. */
export async function rehearseRun(
  action: Action,
  params: unknown,
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
