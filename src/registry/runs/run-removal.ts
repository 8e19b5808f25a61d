/**
 * Runs that go. The run itself goes at once; its steps and records, of which there may be very many, follow in batches, so that neither
 * other writers nor this process's timers wait for them. What a program that is killed meanwhile leaves, the next clean-up takes.
 */
import type { ExpressionBuilder } from 'kysely';

import { ENDED_STEPS } from '../../model/run.ts';
import { count } from '../log/counters.ts';
import { yieldToWriters, type Connection, type Database } from '../sql/database.ts';
import { appendEvent } from '../log/events.ts';
import type { Tables } from '../sql/tables.ts';

/** Of one table: removed within a few milliseconds. */
const BATCH = 1_000;
const BELONGINGS = ['steps', 'records'] as const;

/** Selects runs that are over, did not change since `before`, and have no records that were never exported. */
export function isRemovable(before: string) {
  return (eb: ExpressionBuilder<Tables, 'runs'>) =>
    eb.and([
      eb('token', 'is', null),
      eb('status', 'not in', ['pending', 'processing']),
      eb('updatedAt', '<', before),
      eb.or([eb('records', '=', 0), eb('outputs', '!=', '{}')]),
    ]);
}

/** False where there is no such run, or it is being worked on, or it is not to go by {@link isRemovable}, if `before` is given. */
export async function removeRun(database: Database, id: string, before?: string): Promise<boolean> {
  const isRemoved = await database.write((db) => removeRow(db, id, before));
  while (await database.write((db) => removeBatch(db, id))) await yieldToWriters();
  return isRemoved;
}

/** Ids of those whose removal was cut short; {@link removeRun} ends it. */
export async function listHalfRemoved(database: Database): Promise<string[]> {
  const rows = await database.read((db) => db.selectFrom('removals').select('runId').execute());
  return rows.map(({ runId: id }) => id);
}

/** For a run that is created with the name of one that went: nothing of that is left to it. */
export async function forgetRemoved(db: Connection, id: string): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom('removals').where('runId', '=', id).executeTakeFirst();
  if (numDeletedRows === 0n) return;
  for (const table of BELONGINGS) await db.deleteFrom(table).where('runId', '=', id).execute();
}

async function removeRow(db: Connection, id: string, before: string | undefined): Promise<boolean> {
  const row = await db
    .deleteFrom('runs')
    .where('id', '=', id)
    .where('token', 'is', null)
    .$if(before !== undefined, (query) => query.where(isRemovable(before ?? '')))
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return false;
  await db.insertInto('removals').values({ runId: id }).execute();
  // The totals go on without the row.
  if (row.reused > 0) await count(db, 'sessions_reused', { by: row.reused });
  if (row.contextLosses > 0) await count(db, 'context_losses', { by: row.contextLosses });
  for (const status of ENDED_STEPS)
    if (row[status] > 0) await count(db, 'run_steps', { by: row[status], label: status });
  await appendEvent(db, { type: 'run_removed', owner: row.owner, runId: id });
  return true;
}

/** False where nothing is left. */
async function removeBatch(db: Connection, id: string): Promise<boolean> {
  // Locks it, too: a run of the same name is created before this batch or after it.
  const { numUpdatedRows } = await db
    .updateTable('removals')
    .set({ runId: id })
    .where('runId', '=', id)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  for (const table of BELONGINGS) {
    const { numDeletedRows } = await db
      .deleteFrom(table)
      .where('runId', '=', id)
      .where('id', 'in', (eb) => eb.selectFrom(table).select('id').where('runId', '=', id).limit(BATCH))
      .executeTakeFirst();
    if (numDeletedRows > 0n) return true;
  }
  await db.deleteFrom('removals').where('runId', '=', id).execute();
  return false;
}
