/** Writes the files of a run at its end. */
import { toError } from '../core/errors.ts';
import type { RunStore } from '../registry/registry.ts';
import { exportRecords } from './exports/export.ts';
import { toCancelled } from './outcome.ts';
import { RecordSample, type DatasetSample } from './reports/record-sample.ts';
import type { PlannedRun } from './run-options.ts';

type Outputs = Readonly<Record<string, string>>;

export interface PlannedOutputs extends Pick<PlannedRun, 'folder' | 'format' | 'writesOutput' | 'signal'> {
  /** The files of the run's last export, if it is resumed. */
  readonly resumed: { readonly outputs: Outputs } | undefined;
}

export interface WrittenOutputs {
  readonly outputs: Outputs;
  /** The first records of the datasets. */
  readonly samples: readonly DatasetSample[];
  readonly warnings: readonly string[];
  readonly failure?: Error;
}

/**
 * Returns the files by dataset, or the failure; neither if there is no store, or if no files are requested. Never rejects. A run that was
 * cancelled earlier gets its files; a run that is cancelled while they are written does not.
 */
export async function writeOutputs(
  store: RunStore | undefined,
  { folder, format, writesOutput, signal, resumed }: PlannedOutputs,
): Promise<WrittenOutputs> {
  const sample = new RecordSample();
  if (store === undefined || !writesOutput) return { outputs: {}, samples: [], warnings: [] };
  try {
    const { outputs, warnings } = await exportRecords(sample.watch(store.listRecords()), {
      folder,
      format,
      earlier: resumed?.outputs,
      prove: () => store.prove(),
      signal: signal?.aborted === true ? undefined : signal,
    });
    return { outputs, samples: sample.datasets, warnings };
  } catch (thrown) {
    const failure = thrown === signal?.reason ? toCancelled(thrown) : toError(thrown);
    return { outputs: {}, samples: sample.datasets, warnings: [], failure };
  }
}
