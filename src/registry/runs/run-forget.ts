/** Removes the stored steps of a part of a run, so that they are done again. */
import type { Database } from '../sql/database.ts';
import { LeaseLostError } from '../errors.ts';
import { recount } from './run-records.ts';

export interface ForgottenPart {
  /** The first position in the order of declaration: steps and items from here on are removed. */
  readonly fromOrder: number;
  /** The row ids of earlier steps that contain one of them. */
  readonly around: readonly string[];
}

/**
 * Removes steps with their records, and later records that were saved outside of steps. Returns the number of steps. Rejects with
 * `LeaseLostError` if the run is not owned under `token`.
 */
export async function forgetSteps(
  database: Database,
  runId: string,
  { token, fromOrder, around }: ForgottenPart & { readonly token: number },
): Promise<number> {
  return database.write(async (db) => {
    const owned = await db
      .updateTable('runs')
      .set({ updatedAt: new Date().toISOString() })
      .where('id', '=', runId)
      .where('token', '=', token)
      .executeTakeFirst();
    if (owned.numUpdatedRows === 0n)
      throw new LeaseLostError(`The run ${runId} no longer belongs to this process; nothing of it was removed.`, {
        data: { runId },
      });
    const removed = await db
      .deleteFrom('steps')
      .where('runId', '=', runId)
      .where((eb) =>
        around.length === 0 ? eb('ord', '>=', fromOrder) : eb.or([eb('ord', '>=', fromOrder), eb('id', 'in', around)]),
      )
      .returning('ord')
      .execute();
    await db
      .deleteFrom('records')
      .where('runId', '=', runId)
      .where((eb) => {
        const earlier = removed.map(({ ord }) => ord).filter((ord) => ord < fromOrder);
        return earlier.length === 0
          ? eb('ord', '>=', fromOrder)
          : eb.or([eb('ord', '>=', fromOrder), eb('ord', 'in', earlier)]);
      })
      .execute();
    await recount(db, runId);
    return removed.length;
  });
}
