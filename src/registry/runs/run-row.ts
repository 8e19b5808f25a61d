/** A run's row, checked as it is read. */
import { runSchema, type RunRow, type StoredRun } from '../../model/run.ts';
import { RegistryError } from '../errors.ts';

/** Undefined for a row that can't be what it says. */
export function readRun(row: RunRow): StoredRun | undefined {
  return runSchema.safeParse(row).data;
}

/** Throws {@link RegistryError} naming a row that can't be what it says. */
export function toStoredRun(row: RunRow): StoredRun {
  const run = readRun(row);
  if (run !== undefined) return run;
  throw new RegistryError(
    `The registry's row of run ${row.id} is damaged. Restore the registry from a copy, or remove the run (\`registry.runs.remove\`).`,
    { data: { runId: row.id } },
  );
}
