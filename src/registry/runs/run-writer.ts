/**
 * The one writer of a run. What comes while a transaction is under way waits for the next one, so that a hundred items that end at once
 * cost one commit; who asked is answered when his is kept. A crash therefore loses at most what nobody was told is done: the items in the
 * commit under way and those waiting for it, never more than work at the same time. They are done again on resume, and what they had
 * saved with them was not kept either, so nothing is lost and nothing is there twice.
 *
 * Each commit begins with its fence: it writes nothing unless the run's row carries our token, names us as its writer, and has the number of our
 * last commit. So a process that was suspended while another one took over writes nothing, and commits that went missing are noticed.
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
import { pageRecords, pageSaves, pageSteps, type RunPlace } from './run-pages.ts';
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

/** Of declared steps and of progress that nothing else carries along. */
const LAZY_WRITE_MS = 500;
/** A run without news is looked after too: whether it is still ours, and whether it is to be cancelled. */
const LOOK_EVERY_MS = 2_000;

export interface RunWriterOptions {
  readonly database: Database;
  /** Of the session that the run works under. */
  readonly token: number;
  /** As of the moment when these steps have ended. */
  readonly snapshot: (ending: readonly EndingStep[]) => RunSnapshot;
  /** Told once, when nothing more can be kept. */
  readonly onFailure: (error: RegistryError | LeaseLostError) => void;
  /** Somebody asked for the run's end. */
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
    this.#schedule(LOOK_EVERY_MS);
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

  async saveRecord(record: RecordEntry, place: SavePosition): Promise<void> {
    await this.#ask((group) => group.saveRecord(record, place));
  }

  noteProgress(): void {
    if (this.#writing === undefined) this.#schedule(LAZY_WRITE_MS);
  }

  loadSteps(): AsyncIterable<StoredStep> {
    return pageSteps(this.#place);
  }

  loadSaves(): AsyncIterable<StoredSave> {
    return pageSaves(this.#place);
  }

  listRecords(): AsyncIterable<RecordEntry> {
    return pageRecords(this.#place);
  }

  get #place(): RunPlace {
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
      cancelRequestedAt: null,
      errorCode: error?.code ?? null,
      errorMessage: error === null ? null : toStorableText(error.message),
      outputs: JSON.stringify(outputs),
      endedAt: now,
    };
    // From here on no timer begins another commit: it would find the run over, and call that a loss.
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
    if (this.#isClosed) return Promise.reject(new RegistryError('The run is over; nothing more is kept of it.'));
    const answer = put(this.#waiting);
    this.#isUrgent = true;
    this.#writing ??= this.#write();
    return answer;
  }

  /** Resolves when nothing waits any more, whatever became of it. */
  async #drain(): Promise<void> {
    while (this.#writing !== undefined || (!this.#waiting.isEmpty && this.#failure === undefined)) {
      this.#writing ??= this.#write();
      await this.#writing;
    }
  }

  /** One commit after the other, until nothing urgent waits. Never rejects. */
  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    // What ends in the same turn goes along.
    await nextTurn();
    do {
      this.#isUrgent = false;
      const group = this.#waiting.take();
      if (!this.#waiting.isEmpty) this.#isUrgent = true;
      await this.#commit(group, (transaction, snapshot) => this.#writeGroup(transaction, group, snapshot));
      // SQLite answers within the turn; heartbeats and sockets need theirs.
      await nextTurn();
    } while (this.#isUrgent && this.#failure === undefined);
    this.#writing = undefined;
    this.#schedule(this.#waiting.isEmpty ? LOOK_EVERY_MS : LAZY_WRITE_MS);
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
    // Most records were not there before; the others are taken off again.
    const most = group.records.length;
    const records = await this.#fence(transaction, {
      ...this.#toColumns(snapshot),
      ...progress,
      ...(most > 0 && { records: sql<number>`records + ${most}` }),
    });
    const known = most - (await writeGroup(transaction, group, { dialect, runId }));
    if (known > 0)
      await transaction
        .updateTable('runs')
        .set({ records: records - known })
        .where('id', '=', runId)
        .execute();
    this.#recordCount = records - known;
  }

  /** Returns the number of records. */
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
    if (row === undefined && !(await isRunRemoved(transaction, runId)))
      return diverged(runId, 'it is not there any more');
    if (row !== undefined && row.commitNumber < this.#commitNumber)
      return diverged(runId, `it is at commit ${row.commitNumber}, after commit ${this.#commitNumber} was confirmed`);
    const why =
      row === undefined
        ? 'it was removed from the registry'
        : row.token === null
          ? `it is ${row.status} by now${row.errorMessage === null ? '' : `: ${row.errorMessage}`}`
          : 'another process goes on with it';
    return new LeaseLostError(
      `The run ${runId} is no longer this process's: ${why}. Nothing more is stored of it here.`,
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
      'Nothing more is stored of the run here. Resume it: what the registry lacks is done again.',
    { data: { runId } },
  );
}

function toRegistryError(error: Error): RegistryError {
  return error instanceof RegistryError ? error : new RegistryError(error.message, { cause: error });
}
