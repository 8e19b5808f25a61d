/** Creates and changes parents and their shards. Each shard is a run of its own; the parent's row only holds the family together. */
import { CompiledQuery, sql } from 'kysely';

import { FINISHED_STATUSES, type RunRow, type StoredRun } from '../../model/run.ts';
import { appendEvent } from '../log/events.ts';
import type { Connection, Database } from '../sql/database.ts';
import { toStorableText } from '../sql/row-id.ts';
import { readRun, toNewRow, type NewRun } from './run-row.ts';
import { toUnion, toUnionError, toUnionStatus } from './run-union.ts';

/** The number of rows in one statement, which may have at most 65 535 parameters. */
const ROWS_AT_ONCE = 500;
/** True for a shard that may be attempted again; see `toUnionStatus`. The index `runs_open_shards` has the same condition but the last. */
const IS_OPEN = sql<boolean>`runs.status not in ('completed', 'partial') and runs.given_up_at is null
  and (runs.cancel_requested_at is null or runs.status in ('pending', 'processing'))`;
const CANCELLED = { status: 'cancelled', errorCode: 'cancelled', errorMessage: 'cancelled by a user' } as const;

/** A transaction of the registry for statements on other tables of the same database. */
export interface SharedTransaction {
  executeSql(text: string, values?: readonly unknown[]): Promise<{ rows: unknown[] }>;
}

/** Puts shards into a queue, in the transaction that changes them. */
export type Send<Shard> = (shards: readonly Shard[], transaction: SharedTransaction) => Promise<void>;

export class Shards {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates a parent with its shards, and sends them, in one transaction. */
  async create(parent: NewRun, shards: readonly NewRun[], send: Send<NewRun> = sendNothing): Promise<void> {
    const rows = [
      toNewRow(parent, { parentId: null, shard: null, shards: shards.length }),
      ...shards.map((shard, index) => toNewRow(shard, { parentId: parent.id, shard: index, shards: null })),
    ];
    await this.#database.write(async (db) => {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
        await db
          .insertInto('runs')
          .values(rows.slice(from, from + ROWS_AT_ONCE))
          .execute();
      await send(shards, toShared(db));
    });
  }

  /** Lists the shards of a parent, in their order. */
  list(parentId: string): Promise<StoredRun[]> {
    return this.#database.read((db) => readShards(db, [parentId]));
  }

  /** Notes that a worker has taken the shard. Returns the number of the attempt, from 1. */
  async noteAttempt(id: string): Promise<number> {
    const { attempts } = await this.#database.write((db) =>
      db
        .updateTable('runs')
        .set((eb) => ({ attempts: eb('attempts', '+', 1) }))
        .where('id', '=', id)
        .returning('attempts')
        .executeTakeFirstOrThrow(),
    );
    return attempts;
  }

  /** Makes a shard whose attempt has ended pending again, for the next worker, unless a newer attempt has begun. Sends it in any case. */
  async handBack(
    { id, attempt, error }: { readonly id: string; readonly attempt: number; readonly error?: StoredRun['error'] },
    send: (transaction: SharedTransaction) => Promise<void> = sendNothing,
  ): Promise<void> {
    await this.#database.write(async (db) => {
      await db
        .updateTable('runs')
        .set({
          status: 'pending',
          endedAt: null,
          updatedAt: new Date().toISOString(),
          errorCode: error?.code ?? null,
          errorMessage: error ? toStorableText(error.message) : null,
        })
        .where('id', '=', id)
        .where('attempts', '=', attempt)
        .where('token', 'is', null)
        .where('status', 'not in', FINISHED_STATUSES)
        .execute();
      await send(toShared(db));
    });
  }

  /** Ends a shard that no worker could finish. Its finished work stays, and a process that still works on it can write nothing more. Does nothing if an attempt after `attempt` has begun. */
  async abandon(id: string, error: NonNullable<StoredRun['error']>, attempt?: number): Promise<void> {
    const now = new Date().toISOString();
    await this.#database.write((db) =>
      db
        .updateTable('runs')
        .set((eb) => ({
          // A shard whose last attempt has ended keeps the status of that attempt.
          status: sql<RunRow['status']>`case when status in ('pending', 'processing') then 'halted' else status end`,
          givenUpAt: now,
          token: null,
          cancelled: eb('cancelled', '+', eb('queued', '+', eb.ref('running'))),
          queued: 0,
          running: 0,
          endedAt: eb.fn.coalesce('endedAt', eb.val(now)),
          updatedAt: now,
          errorCode: eb.fn.coalesce('errorCode', eb.val(error.code)),
          errorMessage: eb.fn.coalesce('errorMessage', eb.val(toStorableText(error.message))),
        }))
        .where('id', '=', id)
        .where('status', 'not in', FINISHED_STATUSES)
        .$if(attempt !== undefined, (query) => query.where('attempts', '=', attempt ?? 0))
        .execute(),
    );
  }

  /** Returns whether a user has asked the parent to end. A removed parent counts as one. */
  async isCancelRequested(parentId: string): Promise<boolean> {
    const row = await this.#database.read((db) =>
      db.selectFrom('runs').select('cancelRequestedAt').where('id', '=', parentId).executeTakeFirst(),
    );
    return row === undefined || row.cancelRequestedAt !== null;
  }

  /** Ends the parent if all its shards have ended. Idempotent. */
  settle(parentId: string): Promise<void> {
    return this.#database.write((db) => settle(db, parentId));
  }

  /** Ends all parents whose shards have ended. The worker of the last shard may have been lost before it ended the parent. */
  async settleAll(): Promise<void> {
    const over = await this.#database.read((db) =>
      db
        .selectFrom('runs as parent')
        .select('id')
        .where('shards', 'is not', null)
        .where('endedAt', 'is', null)
        .where((eb) =>
          eb.or([
            eb('cancelRequestedAt', 'is not', null),
            eb.not(
              eb.exists(eb.selectFrom('runs').select('id').whereRef('runs.parentId', '=', 'parent.id').where(IS_OPEN)),
            ),
          ]),
        )
        .execute(),
    );
    for (const { id } of over) await this.settle(id);
  }

  /** Prepares a resume: all shards that are not completed, and have no process, are pending again. Sends and returns the open ones. */
  async reopen(parentId: string, send: Send<StoredRun> = sendNothing): Promise<StoredRun[]> {
    const now = new Date().toISOString();
    const pending = {
      status: 'pending',
      endedAt: null,
      cancelRequestedAt: null,
      givenUpAt: null,
      errorCode: null,
      errorMessage: null,
      updatedAt: now,
    } as const;
    return this.#database.write(async (db) => {
      const open = await db
        .updateTable('runs')
        .set(pending)
        .where('parentId', '=', parentId)
        .where('status', '!=', 'completed')
        .where((eb) => eb.or([eb('token', 'is', null), eb('status', '!=', 'processing')]))
        .returning('id')
        .execute();
      const working = (await readShards(db, [parentId])).filter(({ status }) => status === 'processing');
      if (open.length + working.length > 0)
        await db
          .updateTable('runs')
          .set({ ...pending, outputs: '{}' })
          .where('id', '=', parentId)
          .execute();
      const ids = new Set([...open, ...working].map(({ id }) => id));
      const shards = (await readShards(db, [parentId])).filter(({ id }) => ids.has(id));
      await send(shards, toShared(db));
      return shards;
    });
  }
}

async function sendNothing(): Promise<void> {}

function toShared(db: Connection): SharedTransaction {
  return { executeSql: (text, values = []) => db.executeQuery(CompiledQuery.raw(text, [...values])) };
}

/** Returns the runs with the numbers of their shards. */
export async function withUnions(db: Connection, runs: readonly StoredRun[]): Promise<StoredRun[]> {
  const parents = runs.filter(({ shards }) => shards !== null).map(({ id }) => id);
  if (parents.length === 0) return [...runs];
  const shards = Object.groupBy(await readShards(db, parents), ({ parentId }) => parentId ?? '');
  return runs.map((run) => (run.shards === null ? run : toUnion(run, shards[run.id] ?? [])));
}

/** Asks all shards of a parent to end. Those without a process are cancelled at once. */
export async function cancelShards(
  db: Connection,
  { id }: Pick<RunRow, 'id'>,
): Promise<'requested' | 'cancelled' | 'over'> {
  const now = new Date().toISOString();
  const row = await lock(db, id);
  if (row === undefined || row.endedAt !== null) return 'over';
  await db.updateTable('runs').set({ cancelRequestedAt: now }).where('id', '=', id).execute();
  const working = await db
    .updateTable('runs')
    .set({ cancelRequestedAt: now })
    .where('parentId', '=', id)
    .where('token', 'is not', null)
    .where('status', '=', 'processing')
    .returning('id')
    .execute();
  await appendEvent(db, { type: 'run_cancel_requested', runId: id, owner: row.owner, status: 'processing' });
  await settle(db, id);
  return working.length > 0 ? 'requested' : 'cancelled';
}

async function readShards(db: Connection, parents: readonly string[]): Promise<StoredRun[]> {
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .where('parentId', 'in', parents)
    .orderBy('parentId')
    .orderBy('shard')
    .execute();
  return rows.map(readRun).filter((run) => run !== undefined);
}

/** Cancels the shards without a process. An attempt that ended before it heard of the request leaves such a shard, too. */
async function cancelIdle(db: Connection, parentId: string): Promise<void> {
  const now = new Date().toISOString();
  await db
    .updateTable('runs')
    .set({
      ...CANCELLED,
      cancelRequestedAt: now,
      endedAt: sql`coalesce(ended_at, ${now})`,
      updatedAt: now,
    })
    .where('parentId', '=', parentId)
    .where('token', 'is', null)
    .where(IS_OPEN)
    .execute();
}

async function settle(db: Connection, parentId: string): Promise<void> {
  const row = await lock(db, parentId);
  if (row === undefined || row.endedAt !== null) return;
  if (row.cancelRequestedAt !== null) await cancelIdle(db, parentId);
  const open = db.selectFrom('runs').select('id').where('parentId', '=', parentId).where(IS_OPEN).limit(1);
  if ((await open.executeTakeFirst()) !== undefined) return;
  const shards = await readShards(db, [parentId]);
  const status = toUnionStatus(shards, row.cancelRequestedAt !== null);
  const now = new Date().toISOString();
  const error = toUnionError(shards);
  await db
    .updateTable('runs')
    .set({
      status,
      endedAt: now,
      updatedAt: now,
      errorCode: error?.code ?? null,
      errorMessage: error === null ? null : toStorableText(error.message),
    })
    .where('id', '=', parentId)
    .execute();
  const message = error?.message ?? null;
  await appendEvent(db, { type: 'run_ended', owner: row.owner, runId: parentId, status, message });
}

/** Locks the parent's row, so that only one of the workers that end the last shards ends the parent. */
function lock(db: Connection, id: string): Promise<RunRow | undefined> {
  return db
    .updateTable('runs')
    .set({ updatedAt: sql`updated_at` })
    .where('id', '=', id)
    .where('shards', 'is not', null)
    .returningAll()
    .executeTakeFirst();
}
