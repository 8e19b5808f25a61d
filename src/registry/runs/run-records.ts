/** Writes records that a user of the registry adds to a run. The caller provides the transaction. */
import type { Connection } from '../sql/database.ts';
import { RegistryError } from '../errors.ts';
import { toRowId, toStoredName } from '../sql/row-id.ts';
import type { RecordEntry } from './run-store.ts';

/** Returns the position after all records that users of the registry have added. */
export async function nextPosition(db: Connection, runId: string): Promise<number> {
  const last = await db
    .selectFrom('records')
    .select((eb) => eb.fn.max('position').as('position'))
    .where('runId', '=', runId)
    .where('ord', '=', 0)
    .executeTakeFirst();
  return (last?.position ?? -1) + 1;
}

/** Adds a record. If the run has a record with this key, replaces its data and leaves its position. */
export async function putRecord(db: Connection, runId: string, record: RecordEntry, position: number): Promise<void> {
  const { dataset, key, json } = record;
  await db
    .insertInto('records')
    .values({
      runId,
      id: toRowId(dataset, key),
      dataset: toStoredName(dataset),
      key: toStoredName(key),
      json,
      ord: 0,
      position,
      saveOrd: null,
      saves: 0,
    })
    .onConflict((conflict) => conflict.columns(['runId', 'id']).doUpdateSet({ json }))
    .execute();
}

/** Locks the run, so that other writers of its records wait. Clears its outputs, because the files no longer have all records. */
export async function touchRun(db: Connection, runId: string): Promise<void> {
  const now = new Date().toISOString();
  const { numUpdatedRows } = await db
    .updateTable('runs')
    .set({ updatedAt: now, lastProgressAt: now, outputs: '{}' })
    .where('id', '=', runId)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw missingRun(runId);
}

/** Sets the number of records of the run to the number of rows. */
export async function recount(db: Connection, runId: string): Promise<void> {
  await db
    .updateTable('runs')
    .set((eb) => ({
      records: eb
        .selectFrom('records')
        .select((inner) => inner.fn.countAll<number>().as('number'))
        .where('runId', '=', runId),
    }))
    .where('id', '=', runId)
    .execute();
}

export function missingRun(id: string): RegistryError {
  return new RegistryError(`There is no run ${id} in the registry.`, { data: { runId: id } });
}
