/**
 * Removes runs. The run's row is removed at once. Its steps and records, of which there may be very many, are removed in batches, so that
 * they block neither other writers nor the timers of this process. If the program is killed meanwhile, the next clean-up removes the rest.
 */
import type { ExpressionBuilder } from 'kysely';

import { ENDED_STEPS, type RunRow } from '../../model/run.ts';
import { count } from '../log/counters.ts';
import { yieldToWriters } from '../yield-to-writers.ts';
import type { Connection, Database } from '../sql/database.ts';
import { appendEvent } from '../log/events.ts';
import type { Tables } from '../sql/tables.ts';

/** The number of rows of a table that are removed at a time, within a few milliseconds. */
const BATCH_ROWS = 1_000;
const RUN_TABLES = ['steps', 'records'] as const;

/** Selects runs that are over, have not changed since `before`, and have no records that were never exported. */
export function isRemovable(before: string) {
  return (eb: ExpressionBuilder<Tables, 'runs'>) =>
    eb.and([
      eb('token', 'is', null),
      eb('status', 'not in', ['pending', 'processing']),
      eb('updatedAt', '<', before),
      // The shards of a parent are removed with it.
      eb('parentId', 'is', null),
      eb.or([eb('outputs', '!=', '{}'), eb.and([eb('records', '=', 0), eb.not(eb.exists(shardsWithRecords(eb)))])]),
    ]);
}

function shardsWithRecords(eb: ExpressionBuilder<Tables, 'runs'>) {
  return eb
    .selectFrom('runs as shard')
    .select('shard.id')
    .whereRef('shard.parentId', '=', 'runs.id')
    .where('shard.records', '>', 0);
}

/**
 * Removes a run, and the shards of a parent. Returns false if there is none, if a process works on it or on a shard, or if `before` is given and
 * {@link isRemovable} does not select it.
 */
export async function removeRun(database: Database, id: string, before?: string): Promise<boolean> {
  const removed = await database.write(async (db) => {
    const working = db.selectFrom('runs').select('id').where('parentId', '=', id).where('token', 'is not', null);
    if ((await working.limit(1).executeTakeFirst()) !== undefined) return [];
    const row = await removeRow(db, id, before);
    if (row === undefined || row.shards === null) return row === undefined ? [] : [id];
    const shards = await db.selectFrom('runs').select('id').where('parentId', '=', id).execute();
    for (const shard of shards) await removeRow(db, shard.id, undefined);
    return [id, ...shards.map((shard) => shard.id)];
  });
  for (const each of removed.length > 0 ? removed : [id])
    while (await database.write((db) => removeBatch(db, each))) await yieldToWriters();
  return removed.length > 0;
}

/** Lists the ids of runs whose removal was interrupted. {@link removeRun} finishes it. */
export async function listHalfRemoved(database: Database): Promise<string[]> {
  const rows = await database.read((db) => db.selectFrom('removals').select('runId').execute());
  return rows.map(({ runId: id }) => id);
}

/** Removes the leftovers of a removed run before a run with the same id is created. */
export async function forgetRemoved(db: Connection, id: string): Promise<void> {
  const { numDeletedRows } = await db.deleteFrom('removals').where('runId', '=', id).executeTakeFirst();
  if (numDeletedRows === 0n) return;
  for (const table of RUN_TABLES) await db.deleteFrom(table).where('runId', '=', id).execute();
}

async function removeRow(db: Connection, id: string, before: string | undefined): Promise<RunRow | undefined> {
  const row = await db
    .deleteFrom('runs')
    .where('id', '=', id)
    .where('token', 'is', null)
    .$if(before !== undefined, (query) => query.where(isRemovable(before ?? '')))
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return undefined;
  await db.insertInto('removals').values({ runId: id }).execute();
  // The totals outlive the row.
  if (row.reused > 0) await count(db, 'sessions_reused', { by: row.reused });
  if (row.contextLosses > 0) await count(db, 'context_losses', { by: row.contextLosses });
  for (const status of ENDED_STEPS)
    if (row[status] > 0) await count(db, 'run_steps', { by: row[status], label: status });
  await appendEvent(db, { type: 'run_removed', owner: row.owner, runId: id });
  return row;
}

/** Removes one batch. Returns false if nothing is left. */
async function removeBatch(db: Connection, id: string): Promise<boolean> {
  // This also locks the row, so that a run with the same id is created before or after this batch.
  const { numUpdatedRows } = await db
    .updateTable('removals')
    .set({ runId: id })
    .where('runId', '=', id)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  for (const table of RUN_TABLES) {
    const { numDeletedRows } = await db
      .deleteFrom(table)
      .where('runId', '=', id)
      .where('id', 'in', (eb) => eb.selectFrom(table).select('id').where('runId', '=', id).limit(BATCH_ROWS))
      .executeTakeFirst();
    if (numDeletedRows > 0n) return true;
  }
  await db.deleteFrom('removals').where('runId', '=', id).execute();
  return false;
}
