/**
 * The only writer of a run. Calls during a transaction wait for the next one, so that a hundred items that end at once need one commit. A
 * call resolves when its data are stored. A crash therefore loses only work that was not reported as done: the items in the current commit
 * and those that wait for the next one, never more than run at the same time. They are done again on resume. Their records were not stored
 * either, so nothing is lost and nothing is stored twice.
 *
 * Each commit begins with a fence: it writes nothing unless the run's row has our token, our writer id and the number of our last commit.
 * A process that was suspended while another one took over therefore writes nothing, and lost commits are noticed.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { sql, type Updateable, type UpdateObject } from 'kysely';

import type { RunRow, StoredRun } from '../../model/run.ts';
import { toError } from '../../core/errors.ts';
import type { Connection, Database } from '../sql/database.ts';
import type { Tables } from '../sql/tables.ts';
import { LeaseLostError, RegistryDivergedError, RegistryError } from '../errors.ts';
import { appendEvent, isRunRemoved } from '../log/events.ts';
import { assertFolderKept } from './run-folders.ts';
import { CommitGroup, findReplaced, writeGroup } from './run-commit.ts';
import { pageRecords, pageSaves, pageSteps, type RunReference } from './run-pages.ts';
import type {
  EndingStep,
  RecordEntry,
  ReplacedRecord,
  RunEnd,
  RunSnapshot,
  RunStore,
  SavePosition,
  StepDeclaration,
  StepEnd,
  StepId,
  StoredSave,
  StoredStep,
} from './run-store.ts';
import { toStorableText } from '../sql/row-id.ts';

/** The maximum delay of declared steps and of progress that no other commit includes. */
const LAZY_WRITE_DELAY_MS = 500;
/** The interval of commits without changes, which check if the run is still ours and if it is to be cancelled. */
const CHECK_INTERVAL_MS = 2_000;

export interface RunWriterOptions {
  readonly database: Database;
  /** The token of the session under which the run works. */
  readonly token: number;
  /** Returns the snapshot of the moment at which these steps have ended. */
  readonly snapshot: (ending: readonly EndingStep[]) => RunSnapshot;
  /** Called once, when nothing more can be stored. */
  readonly onFailure: (error: RegistryError | LeaseLostError) => void;
  /** Called when a cancellation of the run was requested. */
  readonly onCancel: () => void;
}

export class RunWriter implements RunStore {
  readonly #options: RunWriterOptions;
  readonly #run: StoredRun;
  #waiting = new CommitGroup();
  #isUrgent = false;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: Error | undefined;
  #commitNumber: number;
  #recordCount: number;
  #deathsWritten = -1;
  #isClosed = false;

  constructor(options: RunWriterOptions, run: StoredRun) {
    this.#options = options;
    this.#run = run;
    this.#commitNumber = run.commitNumber;
    this.#recordCount = run.records;
    this.#schedule(CHECK_INTERVAL_MS);
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  declareSteps(steps: readonly StepDeclaration[]): void {
    for (const step of steps) this.#waiting.declare(step);
    this.noteProgress();
  }

  beginStep(step: StepDeclaration): Promise<void> {
    return this.#ask((group) => group.beginStep(step));
  }

  noteEffect(step: StepDeclaration): Promise<void> {
    return this.#ask((group) => group.beginStep(step, true));
  }

  endStep(id: StepId, end: StepEnd, order: number): Promise<readonly ReplacedRecord[]> {
    return this.#ask((group) => group.endStep(id, end, order));
  }

  findReplaced(records: readonly RecordEntry[], order: number): Promise<readonly ReplacedRecord[]> {
    return this.#options.database.read((db) => findReplaced(db, records, { runId: this.#run.id, order }));
  }

  async saveRecord(record: RecordEntry, position: SavePosition): Promise<void> {
    await this.#ask((group) => group.saveRecord(record, position));
  }

  noteProgress(): void {
    if (this.#writing === undefined) this.#schedule(LAZY_WRITE_DELAY_MS);
  }

  loadSteps(): AsyncIterable<StoredStep> {
    return pageSteps(this.#reference);
  }

  loadSaves(): AsyncIterable<StoredSave> {
    return pageSaves(this.#reference);
  }

  listRecords(): AsyncIterable<RecordEntry> {
    return pageRecords(this.#reference);
  }

  get #reference(): RunReference {
    return { database: this.#options.database, runId: this.#run.id };
  }

  async prove(): Promise<void> {
    await this.#ask((group) => group.prove());
    await assertFolderKept(this.#options.database, this.#run);
  }

  async finish({ status, error, outputs }: RunEnd): Promise<void> {
    const { id: runId, owner } = this.#run;
    const now = new Date().toISOString();
    await this.#drain();
    this.#throwIfFailed();
    const end = {
      status,
      token: null,
      // A request that ended the run stays.
      ...(status !== 'cancelled' && { cancelRequestedAt: null }),
      errorCode: error?.code ?? null,
      errorMessage: error === null ? null : toStorableText(error.message),
      outputs: JSON.stringify(outputs),
      endedAt: now,
    };
    // From here on no timer may begin another commit: it would find that the run is over and report a lost lease.
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#writing = this.#commit(new CommitGroup(), async (transaction, snapshot) => {
      await this.#fence(transaction, { ...this.#toColumns(snapshot), ...end });
      await appendEvent(transaction, { type: 'run_ended', owner, runId, status, message: error?.message ?? null });
    });
    await this.close();
    this.#throwIfFailed();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#writing;
  }

  #ask<Value>(put: (group: CommitGroup) => Promise<Value>): Promise<Value> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isClosed) return Promise.reject(new RegistryError('The run is over; nothing more of it is stored.'));
    const answer = put(this.#waiting);
    this.#isUrgent = true;
    this.#writing ??= this.#write();
    return answer;
  }

  /** Resolves when nothing waits any more, after success or failure. */
  async #drain(): Promise<void> {
    while (this.#writing !== undefined || (!this.#waiting.isEmpty && this.#failure === undefined)) {
      this.#writing ??= this.#write();
      await this.#writing;
    }
  }

  /** Makes one commit after another until nothing urgent waits. Never rejects. */
  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    // Steps that end in the same turn of the event loop join this commit.
    await nextTurn();
    do {
      this.#isUrgent = false;
      const group = this.#waiting.take();
      if (!this.#waiting.isEmpty) this.#isUrgent = true;
      await this.#commit(group, (transaction, snapshot) => this.#writeGroup(transaction, group, snapshot));
      // SQLite answers within the same turn; heartbeats and sockets need a turn too.
      await nextTurn();
    } while (this.#isUrgent && this.#failure === undefined);
    this.#writing = undefined;
    this.#schedule(this.#waiting.isEmpty ? CHECK_INTERVAL_MS : LAZY_WRITE_DELAY_MS);
  }

  async #commit(
    group: CommitGroup,
    write: (transaction: Connection, snapshot: RunSnapshot) => Promise<void>,
  ): Promise<void> {
    const number = this.#commitNumber + 1;
    const snapshot = this.#options.snapshot(group.ending);
    try {
      await this.#options.database.write((transaction) => write(transaction, snapshot));
      this.#commitNumber = number;
      this.#deathsWritten = snapshot.deaths.length;
      group.resolve();
    } catch (thrown) {
      this.#fail(toError(thrown), group);
    }
  }

  #fail(error: Error, group: CommitGroup): void {
    this.#failure = error;
    clearTimeout(this.#timer);
    group.reject(error);
    this.#waiting.reject(error);
    this.#waiting = new CommitGroup();
    this.#options.onFailure(error instanceof LeaseLostError ? error : toRegistryError(error));
  }

  async #writeGroup(transaction: Connection, group: CommitGroup, snapshot: RunSnapshot): Promise<void> {
    const { dialect } = this.#options.database;
    const { id: runId } = this.#run;
    const progress = group.isProgress ? { lastProgressAt: new Date().toISOString() } : {};
    // Most records did not exist before. Those that did are subtracted below.
    const attempted = group.records.length;
    const records = await this.#fence(transaction, {
      ...this.#toColumns(snapshot),
      ...progress,
      ...(attempted > 0 && { records: sql<number>`records + ${attempted}` }),
    });
    const known = attempted - (await writeGroup(transaction, group, { dialect, runId }));
    if (known > 0)
      await transaction
        .updateTable('runs')
        .set({ records: records - known })
        .where('id', '=', runId)
        .execute();
    this.#recordCount = records - known;
  }

  /** Updates the run's row if it still belongs to this writer. Returns the number of records. */
  async #fence(transaction: Connection, columns: UpdateObject<Tables, 'runs'>): Promise<number> {
    const { token, onCancel } = this.#options;
    const { id, writer } = this.#run;
    const updated = await transaction
      .updateTable('runs')
      .set({ ...columns, commitNumber: this.#commitNumber + 1, updatedAt: new Date().toISOString() })
      .where('id', '=', id)
      .where('token', '=', token)
      .where('writer', '=', writer)
      .where('commitNumber', '=', this.#commitNumber)
      .returning(['cancelRequestedAt', 'records'])
      .executeTakeFirst();
    if (updated === undefined) throw await this.#explainRefusal(transaction);
    if (updated.cancelRequestedAt !== null) onCancel();
    return updated.records;
  }

  async #explainRefusal(transaction: Connection): Promise<Error> {
    const { id: runId } = this.#run;
    const row = await transaction.selectFrom('runs').selectAll().where('id', '=', runId).executeTakeFirst();
    if (row === undefined && !(await isRunRemoved(transaction, runId))) return diverged(runId, 'it no longer exists');
    if (row !== undefined && row.commitNumber < this.#commitNumber)
      return diverged(runId, `it is at commit ${row.commitNumber}, after commit ${this.#commitNumber} was confirmed`);
    const why =
      row === undefined
        ? 'it was removed from the registry'
        : row.token === null
          ? `it is ${row.status} by now${row.errorMessage === null ? '' : `: ${row.errorMessage}`}`
          : 'another process continues it';
    return new LeaseLostError(
      `The run ${runId} no longer belongs to this process: ${why}. This process stores nothing more of it.`,
      {
        data: { runId, status: row?.status ?? 'removed' },
      },
    );
  }

  #toColumns({
    counts,
    display,
    sessions,
    reused,
    contextLosses,
    deaths,
    durationMs,
  }: RunSnapshot): Updateable<RunRow> {
    return {
      ...counts,
      displayDone: display?.done ?? null,
      displayTotal: display?.total ?? null,
      displayLabel: display?.label === undefined ? null : toStorableText(display.label),
      sessions,
      reused,
      contextLosses,
      durationMs,
      ...(deaths.length === this.#deathsWritten ? {} : { deaths: toStorableText(JSON.stringify(deaths)) }),
    };
  }

  #schedule(inMs: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed || this.#failure !== undefined) return;
    this.#timer = setTimeout(() => void (this.#writing ??= this.#write()), inMs);
  }
}

function diverged(runId: string, what: string): RegistryDivergedError {
  return new RegistryDivergedError(
    `The registry has lost commits of the run ${runId}: ${what}. It was restored from a copy, or another server took over. ` +
      'This process stores nothing more of the run. Resume it: the missing work is done again.',
    { data: { runId } },
  );
}

function toRegistryError(error: Error): RegistryError {
  return error instanceof RegistryError ? error : new RegistryError(error.message, { cause: error });
}
