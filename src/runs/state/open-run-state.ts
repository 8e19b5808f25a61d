/** Opens the state of a run's browser, with the files that store it. */
import path from 'node:path';

import { projectPath } from '../../config/config.ts';
import { DEFAULT_REGISTRY_URL, type Registry } from '../../registry/registry.ts';
import { removeOldStateFiles, StateFile, type PageGate } from '../../supervisor/supervisor.ts';
import type { Action } from '../define-action.ts';
import type { PlannedRun } from '../run-options.ts';
import { RunState } from './run-state.ts';

export function openRunState(
  action: Action,
  { plan, registry, gate }: { readonly plan: PlannedRun; readonly registry: Registry; readonly gate: PageGate },
): RunState {
  const { config, log, runId, sessionState } = plan;
  const { restore = true } = action;
  const folder = stateFolder(registry);
  const isStored = config.keepsState && restore !== false && folder !== undefined;
  if (folder !== undefined) removeOldStateFiles(folder);
  return new RunState({
    parts: restore === true ? {} : restore,
    gate,
    file: isStored ? new StateFile({ file: path.join(folder, `${runId}.json`), isPrivate: true, log }) : undefined,
    userFile: sessionState && new StateFile({ file: sessionState.file, isPrivate: false, log }),
    userState: sessionState?.state,
    log,
  });
}

/** The folder beside the registry's file, or beside the default file; undefined for a registry in memory. */
function stateFolder({ kind, location }: Registry): string | undefined {
  if (location === ':memory:') return undefined;
  const file = kind === 'sqlite' ? location : projectPath(DEFAULT_REGISTRY_URL.slice('sqlite:'.length));
  return `${file}-state`;
}
