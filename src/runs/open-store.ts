/** Opens the store of a run that is begun or resumed, and loads what earlier processes left. */
import type { Log } from '../core/log.ts';
import { toStepRowId, type Registry, type RunStore, type StoredRun } from '../registry/registry.ts';
import type { Ledger } from './ledger.ts';
import { describeForgotten, findRedone } from './redo.ts';

export interface OpenStoreOptions {
  readonly registry: Registry;
  readonly run: StoredRun;
  /** How the store of a row is opened; see `Runs.openStore`. */
  readonly open: (run: StoredRun) => RunStore;
  /** Of the lease under which the run is worked on. */
  readonly token: number;
  readonly ledger: Ledger;
  readonly isResumed: boolean;
  /** The step to forget, with everything after it. */
  readonly redo: string | undefined;
  readonly log: Log;
}

/** Returns the store, and the names of the steps that were forgotten. Throws `ConfigError` if `redo` names no step of the run. */
export async function openStore(
  options: OpenStoreOptions,
): Promise<{ readonly store: RunStore; readonly forgotten: ReadonlySet<string> }> {
  const { registry, run, open, token, ledger, isResumed, redo, log } = options;
  let store = open(run);
  let forgotten: ReadonlySet<string> = new Set();
  if (!isResumed) return { store, forgotten };
  if (redo !== undefined) {
    const steps = await store.loadSteps();
    await store.close();
    const { steps: redone, ...part } = findRedone(steps, redo, run.id);
    forgotten = new Set(redone.map(toStepRowId));
    log.warn(describeForgotten(redone));
    await registry.runs.forgetSteps(run.id, { ...part, token });
    store = open((await registry.runs.get(run.id)) ?? run);
  }
  ledger.load(await store.loadSteps(), await store.loadSaves());
  return { store, forgotten };
}
