/** Opens the store of a run that is begun or resumed, and loads what earlier processes left. */
import type { StoredRun } from '../../model/run.ts';
import type { Log } from '../../core/log.ts';
import type { Registry, RunStore } from '../../registry/registry.ts';
import type { Ledger } from './ledger.ts';
import { describeForgotten, findRedone } from './redo.ts';

export interface OpenStoreOptions {
  readonly registry: Registry;
  readonly run: StoredRun;
  /** Opens the store of a row; see `Runs.openStore`. */
  readonly open: (run: StoredRun) => RunStore;
  /** The token of the lease under which this process works on the run. */
  readonly token: number;
  readonly ledger: Ledger;
  readonly isResumed: boolean;
  /** The key of the step to forget, with everything after it. */
  readonly redo: string | undefined;
  readonly log: Log;
}

/** Opens the store. Throws `ConfigError` if `redo` names no step of the run. */
export async function openStore(options: OpenStoreOptions): Promise<RunStore> {
  const { registry, run, open, token, ledger, isResumed, redo, log } = options;
  let store = open(run);
  if (!isResumed) return store;
  if (redo !== undefined) {
    const steps = await Array.fromAsync(store.loadSteps());
    await store.close();
    const { steps: redone, ...part } = findRedone(steps, redo, run.id);
    log.warn(describeForgotten(redone));
    await registry.runs.forgetSteps(run.id, { ...part, token });
    store = open((await registry.runs.get(run.id)) ?? run);
  }
  await ledger.load(store.loadSteps(), store.loadSaves());
  return store;
}
