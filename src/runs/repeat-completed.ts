/** Repeats the end of a run that was completed earlier. */
import type { StoredRun } from '../model/run.ts';
import type { Registry } from '../registry/registry.ts';
import { exportRecords } from './exports/export.ts';
import type { RunOutcome } from './outcome.ts';
import { RecordSample } from './reports/record-sample.ts';
import { reportAgain } from './reports/reports.ts';
import type { PlannedRun } from './run-options.ts';

/** Returns whether the run is completed and no step of it is to be done again. */
export function isToRepeat(run: StoredRun | undefined, { redo }: Pick<PlannedRun, 'redo'>): run is StoredRun {
  return run?.status === 'completed' && redo === undefined;
}

/** Returns the outcome of a run that was completed earlier, and writes its files again. */
export async function repeatCompleted(run: StoredRun, registry: Registry, plan: PlannedRun): Promise<RunOutcome> {
  const { folder, format, writesOutput, signal, log } = plan;
  log.info('The run is already completed; its files are written again');
  const sample = new RecordSample();
  const prove = () => registry.runs.proveUnchanged(run);
  const { outputs, warnings } = writesOutput
    ? await exportRecords(sample.watch(registry.runs.listRecords(run.id)), {
        folder,
        format,
        prove,
        signal,
        earlier: run.outputs,
      })
    : { outputs: {}, warnings: [] };
  const { queued: _queued, running: _running, ...counts } = run.counts;
  const outcome: RunOutcome = {
    runId: run.id,
    action: run.action,
    status: 'completed',
    owner: run.owner,
    counts,
    records: run.records,
    sessions: run.sessions,
    deaths: run.deaths,
    error: null,
    warnings,
    repeatedEffects: [],
    durationMs: run.durationMs,
    outputs,
    report: null,
  };
  return reportAgain(outcome, { plan, registry, ledger: undefined, samples: sample.datasets });
}
