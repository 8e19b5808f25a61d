/** Writes the files of a run at its end. */
import { toError } from '../core/errors.ts';
import type { RunStore } from '../registry/registry.ts';
import { exportRecords } from './exports/export.ts';
import { toCancelled } from './outcome.ts';
import type { PlannedRun } from './run-options.ts';

type Outputs = Readonly<Record<string, string>>;

export interface PlannedOutputs extends Pick<PlannedRun, 'folder' | 'format' | 'writesOutput' | 'signal'> {
  /** The files of the run's last export, if it is resumed. */
  readonly resumed: { readonly outputs: Outputs } | undefined;
}

/**
 * Returns the files by dataset, or the failure; neither if there is no store, or if no files are requested. Never rejects. A run that was
 * cancelled earlier gets its files; a run that is cancelled while they are written does not.
 */
export async function writeOutputs(
  store: RunStore | undefined,
  { folder, format, writesOutput, signal, resumed }: PlannedOutputs,
): Promise<{ readonly outputs: Outputs; readonly warnings: readonly string[]; readonly failure?: Error }> {
  if (store === undefined || !writesOutput) return { outputs: {}, warnings: [] };
  try {
    const { outputs, warnings } = await exportRecords(store.listRecords(), {
      folder,
      format,
      earlier: resumed?.outputs,
      prove: () => store.prove(),
      signal: signal?.aborted === true ? undefined : signal,
    });
    return { outputs, warnings };
  } catch (thrown) {
    return { outputs: {}, warnings: [], failure: thrown === signal?.reason ? toCancelled(thrown) : toError(thrown) };
  }
}
