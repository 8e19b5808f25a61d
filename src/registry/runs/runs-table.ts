/** Creates, begins, reads and changes the rows of runs. The data of a working run are written by its `RunWriter`. */
import { randomUUID } from 'node:crypto';

import { sql, type Updateable } from 'kysely';

import { RUN_STATUSES, type RunRow, type StoredRun, type StoredRunStatus } from '../../model/run.ts';
import type { Connection, Database } from '../sql/database.ts';
import { LeaseLostError } from '../errors.ts';
import { appendEvent } from '../log/events.ts';
import { matchesSearch, toPage, type Page, type PageCursor } from '../sql/page.ts';
import { toStorableText, toStoredName } from '../sql/row-id.ts';
import { assertFolderFree, claimFolder, type FolderClaim } from './run-folders.ts';
import { forgetSteps, type ForgottenPart } from './run-forget.ts';
import {
  pageRecords,
  pageSteps,
  readRecordsPage,
  readStepsPage,
  type RecordsPage,
  type StepsPage,
} from './run-pages.ts';
import { missingRun, nextPosition, putRecord, recount, touchRun } from './run-records.ts';
import { forgetRemoved, isRemovable, listHalfRemoved, removeRun } from './run-removal.ts';
import { eachShard, pageOfShards } from './shard-pages.ts';
import { cancelShards, withUnions } from './shards-table.ts';
import { readRun, toNewRow, toStoredRun, type NewRun } from './run-row.ts';
import type { RecordEntry, RunSnapshot, RunStore, StoredStep } from './run-store.ts';
import { RunWriter, type RunWriterOptions } from './run-writer.ts';

const DEFAULT_DATASET = 'records';

export interface RunFilter {
  readonly status?: StoredRunStatus | readonly StoredRunStatus[];
  readonly owner?: string;
  readonly action?: string;
  /** A part of the id, or the beginning of the action or the owner; upper and lower case are the same. */
  readonly search?: string;
  /** False leaves out the shards of parents. @default true */
  readonly hasShards?: boolean;
  /** The maximum number of runs, newest first; default all. */
  readonly limit?: number;
  /** The position after which the list begins. */
  readonly after?: PageCursor;
}

/** The session and the process that begin or resume a run. */
export interface RunLease {
  readonly token: number;
  readonly process: { readonly host: string; readonly pid: number; readonly identity: string };
  /** The folder into which the run writes. */
  readonly claim?: FolderClaim | undefined;
}

export class Runs {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates a run that has not begun. If there is a run with the id, it is returned unchanged. */
  async create({ id, action, params, owner, options = {} }: NewRun): Promise<StoredRun> {
    const row = toNewRow({ id, action, params, owner, options });
    const stored = await this.#database.write(async (db) => {
      await forgetRemoved(db, id);
      await db
        .insertInto('runs')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute();
      return findRow(db, id);
    });
    return toStoredRun(stored ?? row);
  }

  async get(id: string): Promise<StoredRun | undefined> {
    return this.#database.read(async (db) => {
      const row = await findRow(db, id);
      return row === undefined ? undefined : (await withUnions(db, [toStoredRun(row)]))[0];
    });
  }

  /** Lists runs, newest first. Damaged rows are left out; {@link listDamaged} lists them. */
  async list(filter: RunFilter = {}): Promise<StoredRun[]> {
    const runs = (await this.#rows(filter)).map(readRun).filter((run) => run !== undefined);
    return this.#database.read((db) => withUnions(db, runs));
  }

  /** Lists one page of runs, newest first. */
  async listPage(filter: RunFilter & { readonly limit: number }): Promise<Page<StoredRun>> {
    const page = toPage(await this.#rows(filter), filter.limit, readRun);
    return { ...page, rows: await this.#database.read((db) => withUnions(db, page.rows)) };
  }

  async listDamaged(): Promise<string[]> {
    return (await this.#rows({})).filter((row) => readRun(row) === undefined).map(({ id }) => id);
  }

  #rows({ status, owner, action, search, hasShards = true, limit, after }: RunFilter): Promise<RunRow[]> {
    return this.#database.read((db) =>
      db
        .selectFrom('runs')
        .selectAll()
        .$if(status !== undefined, (query) => query.where('status', 'in', toList(status)))
        .$if(!hasShards, (query) => query.where('parentId', 'is', null))
        .$if(after !== undefined, (query) =>
          query.where((eb) =>
            eb(eb.refTuple('createdAt', 'id'), '<', eb.tuple(after?.createdAt ?? '', after?.id ?? '')),
          ),
        )
        .$if(owner !== undefined, (query) => query.where('owner', '=', owner ?? ''))
        .$if(action !== undefined, (query) => query.where('action', '=', action ?? ''))
        .$if(search !== undefined, (query) =>
          query.where(matchesSearch(search ?? '', { anywhere: 'id', atStart: ['action', 'owner'] })),
        )
        .orderBy('createdAt', 'desc')
        .orderBy('id', 'desc')
        .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
        .execute(),
    );
  }

  async count({ status, hasShards = true }: Pick<RunFilter, 'status' | 'hasShards'> = {}): Promise<number> {
    const { number } = await this.#database.read((db) =>
      db
        .selectFrom('runs')
        .select((eb) => eb.fn.countAll<number>().as('number'))
        .$if(status !== undefined, (query) => query.where('status', 'in', toList(status)))
        .$if(!hasShards, (query) => query.where('parentId', 'is', null))
        .executeTakeFirstOrThrow(),
    );
    return number;
  }

  /**
   * Begins or resumes the run under the session of `token`; sessions with an older token can no longer write. Its records and numbers stay.
   * Rejects with {@link LeaseLostError} if a newer session works on it, and with `ConfigError` if another run writes into the folder.
   */
  async begin(id: string, { token, process, claim }: RunLease): Promise<StoredRun> {
    const now = new Date().toISOString();
    const row = await this.#database.write(async (db) => {
      const options = claim && (await claimFolder(db, { runId: id, claim, dialect: this.#database.dialect }));
      const begun = await db
        .updateTable('runs')
        .set({
          token,
          lastToken: token,
          writer: randomUUID(),
          ...(options !== undefined && { options }),
          status: 'processing',
          startedAt: sql`coalesce(started_at, ${now})`,
          endedAt: null,
          updatedAt: now,
          lastProgressAt: now,
          cancelRequestedAt: null,
          givenUpAt: null,
          // Records that are saved from now on are in none of the files.
          outputs: '{}',
          errorCode: null,
          errorMessage: null,
          host: process.host,
          pid: process.pid,
          processIdentity: process.identity,
        })
        .where('id', '=', id)
        .where('lastToken', '<=', token)
        .returningAll()
        .executeTakeFirst();
      if (begun === undefined) throw await whyNotBegun(db, id);
      const type = begun.commitNumber > 0 ? 'run_resumed' : 'run_started';
      await appendEvent(db, { type, owner: begun.owner, runId: id, status: 'processing' });
      return begun;
    });
    return toStoredRun(row);
  }

  /** Opens the only writer of a run. `run` is the result of `begin`, or newer. */
  openStore(run: StoredRun, given: Omit<RunWriterOptions, 'database' | 'runId' | 'owner'>): RunStore {
    return new RunWriter({ ...given, database: this.#database }, run);
  }

  /** Removes steps of a run that began under `token`; see {@link forgetSteps}. */
  forgetSteps(id: string, part: ForgottenPart & { readonly token: number }): Promise<number> {
    return forgetSteps(this.#database, id, part);
  }

  /** Requests the end of a run. Its process detects the request within seconds. A run without a process is cancelled at once. */
  async requestCancel(id: string): Promise<'requested' | 'cancelled' | 'over' | 'missing'> {
    const now = new Date().toISOString();
    const cancelled = {
      status: 'cancelled',
      cancelRequestedAt: now,
      errorCode: 'cancelled',
      errorMessage: 'cancelled by a user',
    } as const;
    return this.#database.write(async (db) => {
      for (;;) {
        const working = await db
          .updateTable('runs')
          .set({ cancelRequestedAt: now })
          .where('id', '=', id)
          .where('token', 'is not', null)
          .where('status', '=', 'processing')
          .returning(['owner', 'status'])
          .executeTakeFirst();
        if (working !== undefined) {
          await appendEvent(db, { type: 'run_cancel_requested', runId: id, ...working });
          return 'requested';
        }
        const row = await findRow(db, id);
        if (row === undefined) return 'missing';
        if (row.shards !== null) return cancelShards(db, row);
        if (row.status !== 'pending' && row.status !== 'processing') return 'over';
        // It is false if the run has begun since the query.
        if (await setStatus(db, id, cancelled)) return 'cancelled';
      }
    });
  }

  /** Sets the status of a run without a process. Returns false if there is no such run, or if a process works on it. */
  async setStatus(id: string, status: StoredRunStatus, error?: { code: string; message: string }): Promise<boolean> {
    return this.#database.write((db) =>
      setStatus(db, id, {
        status,
        errorCode: error?.code ?? null,
        errorMessage: error === undefined ? null : toStorableText(error.message),
      }),
    );
  }

  /** Sets the progress that the run displays. */
  async setProgress(id: string, progress: NonNullable<RunSnapshot['display']>): Promise<void> {
    const now = new Date().toISOString();
    await this.#change(id, {
      displayDone: progress.done,
      displayTotal: progress.total,
      displayLabel: progress.label === undefined ? null : toStorableText(progress.label),
      lastProgressAt: now,
    });
  }

  /** Saves one record. It replaces the record with the same key. */
  async saveRecord(
    id: string,
    record: object,
    { key, dataset = DEFAULT_DATASET }: { readonly key: string; readonly dataset?: string },
  ): Promise<void> {
    await this.#database.write(async (db) => {
      await touchRun(db, id);
      const position = await nextPosition(db, id);
      await putRecord(db, id, { dataset, key, json: JSON.stringify(record) }, position);
      await recount(db, id);
    });
  }

  /** Replaces all records of one dataset. */
  async setRecords(
    id: string,
    records: Iterable<{ readonly key: string; readonly record: object }>,
    dataset = DEFAULT_DATASET,
  ): Promise<void> {
    // A repeated transaction iterates over them again.
    const all = [...records];
    await this.#database.write(async (db) => {
      await touchRun(db, id);
      await db.deleteFrom('records').where('runId', '=', id).where('dataset', '=', toStoredName(dataset)).execute();
      let position = 0;
      for (const { key, record } of all) {
        await putRecord(db, id, { dataset, key, json: JSON.stringify(record) }, position);
        position += 1;
      }
      await recount(db, id);
    });
  }

  listSteps(id: string): AsyncIterable<StoredStep> {
    return eachShard({ database: this.#database, runId: id }, pageSteps);
  }

  listRecords(id: string): AsyncIterable<RecordEntry> {
    return eachShard({ database: this.#database, runId: id }, pageRecords);
  }

  /** Lists one page of records in export order. `after` is the `next` of the previous page. */
  listRecordsPage(id: string, page: { readonly after?: string; readonly limit: number }): Promise<RecordsPage> {
    return pageOfShards({ database: this.#database, runId: id }, page, readRecordsPage);
  }

  /** A page of its steps in the order in which they were declared. `after` is the `next` of the page before. */
  listStepsPage(id: string, page: Parameters<typeof readStepsPage>[1]): Promise<StepsPage> {
    return pageOfShards({ database: this.#database, runId: id }, page, readStepsPage);
  }

  /**
   * Resolves if the run has not changed since it was read; a working run may have made progress. Rejects with `LeaseLostError` if it has
   * begun, ended or changed since.
   */
  async proveUnchanged({ id, token, commitNumber }: Pick<StoredRun, 'id' | 'token' | 'commitNumber'>): Promise<void> {
    const now = await this.#database.read((db) => findRow(db, id));
    if (now?.token === token && (token !== null || now.commitNumber === commitNumber)) return;
    throw new LeaseLostError(`The run ${id} has begun, ended or changed meanwhile. Try again.`, {
      data: { runId: id },
    });
  }

  /** Throws `ConfigError` if another run than `id` writes into the folder now. */
  assertFolderFree(id: string, claim: FolderClaim): Promise<void> {
    return assertFolderFree(this.#database, id, claim);
  }

  /** Stores that the records were written to these files, by dataset. From then on the clean-up may remove the run. */
  async noteExport(id: string, outputs: Readonly<Record<string, string>>): Promise<void> {
    await this.#change(id, { outputs: JSON.stringify(outputs) });
  }

  /**
   * Lists the ids of runs that are over and may be removed, oldest first. Runs with records that were never exported are not among them.
   */
  async listRemovable({ before, limit }: { readonly before: string; readonly limit: number }): Promise<string[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('runs').select('id').where(isRemovable(before)).orderBy('updatedAt').limit(limit).execute(),
    );
    return rows.map(({ id }) => id);
  }

  /**
   * Removes a run with its steps and records. Returns false if there is none, if a process works on it, or if `before` is given and
   * {@link listRemovable} would no longer list the run.
   */
  remove(id: string, { before }: { readonly before?: string } = {}): Promise<boolean> {
    return removeRun(this.#database, id, before);
  }

  /** Lists the ids of runs whose removal was interrupted by the end of the program. {@link remove} removes the rest. */
  listHalfRemoved(): Promise<string[]> {
    return listHalfRemoved(this.#database);
  }

  async #change(id: string, columns: Updateable<RunRow>): Promise<void> {
    const { numUpdatedRows } = await this.#database.write((db) =>
      db
        .updateTable('runs')
        .set({ ...columns, updatedAt: new Date().toISOString() })
        .where('id', '=', id)
        .executeTakeFirst(),
    );
    if (numUpdatedRows === 0n) throw missingRun(id);
  }
}

function toList(status: RunFilter['status']): readonly StoredRunStatus[] {
  if (status === undefined) return RUN_STATUSES;
  return typeof status === 'string' ? [status] : status;
}

function findRow(db: Connection, id: string): Promise<RunRow | undefined> {
  return db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst();
}

async function setStatus(db: Connection, id: string, columns: Updateable<RunRow>): Promise<boolean> {
  const now = new Date().toISOString();
  const isOver = columns.status !== 'pending' && columns.status !== 'processing';
  const row = await db
    .updateTable('runs')
    .set({ ...columns, endedAt: isOver ? now : null, updatedAt: now })
    .where('id', '=', id)
    .where('token', 'is', null)
    .returning('owner')
    .executeTakeFirst();
  if (row === undefined) return false;
  if (isOver)
    await appendEvent(db, {
      type: 'run_ended',
      owner: row.owner,
      runId: id,
      status: String(columns.status),
      message: typeof columns.errorMessage === 'string' ? columns.errorMessage : null,
    });
  return true;
}

async function whyNotBegun(db: Connection, id: string): Promise<Error> {
  const row = await findRow(db, id);
  if (row === undefined) return missingRun(id);
  return new LeaseLostError(`The run ${id} is being worked on by another process (pid ${row.pid} on ${row.host}).`, {
    data: { runId: id, host: row.host, pid: row.pid },
  });
}
