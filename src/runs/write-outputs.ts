/** Writes the files of a run at its end. */
import { toError } from '../core/errors.ts';
import type { RunStore } from '../registry/registry.ts';
import { exportRecords } from './export.ts';
import type { PlannedRun } from './run-options.ts';

/** Returns the files by dataset, or the failure; neither if there is no store, or if no files are wanted. Never rejects. */
export async function writeOutputs(
  store: RunStore | undefined,
  { folder, format, writesOutput }: Pick<PlannedRun, 'folder' | 'format' | 'writesOutput'>,
): Promise<{ readonly outputs: Record<string, string>; readonly failure?: Error }> {
  if (store === undefined || !writesOutput) return { outputs: {} };
  try {
    return { outputs: await exportRecords(await Array.fromAsync(store.listRecords()), { folder, format }) };
  } catch (thrown) {
    return { outputs: {}, failure: toError(thrown) };
  }
}
