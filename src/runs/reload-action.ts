import type { Action } from './define-action.ts';
import type { PlannedRun } from './run-options.ts';

/**
 * Loads the action anew if its module has variables: they would carry the state of a dead session into the next entry of `run`. Otherwise
 * returns `action`.
 */
export async function reloadStateful(
  action: Action,
  { sourceWarnings, reloadAction }: Pick<PlannedRun, 'sourceWarnings' | 'reloadAction'>,
): Promise<Action> {
  const hasState = sourceWarnings.some(({ isModuleState }) => isModuleState);
  return reloadAction !== undefined && hasState ? reloadAction() : action;
}
