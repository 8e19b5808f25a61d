/** One commit of a run: its contents, and the few statements with constant texts that write it. */
import { sql } from 'kysely';

import type { Connection } from '../sql/database.ts';
import type { RegistryDialect } from '../sql/dialect.ts';
import { toRowId, toStepRowId, toStorableText, toStoredName } from '../sql/row-id.ts';
import type {
  EndingStep,
  RecordEntry,
  ReplacedRecord,
  SavePosition,
  StepDeclaration,
  StepEnd,
  StepId,
} from './run-store.ts';

/** The limits of one transaction. SQLite works in our thread, and nothing may block that for long. */
const MAX_ROWS = 250;
const MAX_BYTES = 1_000_000;
/** The maximum number of rows in one statement. SQLite allows 32 766 variables, PostgreSQL 65 535. */
const MAX_STATEMENT_ROWS = 5_000;

interface StepRow {
  readonly id: string;
  readonly step: StepId;
  readonly order: number;
  readonly added: { readonly by: string; readonly json: string } | undefined;
  hasEffects: boolean;
  /** Undefined for a step that is only declared. */
  end: StepEnd | undefined;
}

interface RecordRow {
  readonly id: string;
  readonly record: RecordEntry;
  readonly order: number;
  readonly position: number;
  readonly save: SavePosition | undefined;
  /** The list for records of this commit that replaced another step's. */
  readonly replaced: ReplacedRecord[];
}

interface Answer {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class CommitGroup {
  readonly #steps = new Map<string, StepRow>();
  readonly #records = new Map<string, RecordRow>();
  readonly #answers: Answer[] = [];
  /** The parts in the order of their calls. A part is never divided. */
  #parts: { readonly rows: number; readonly bytes: number; put: (group: CommitGroup) => void }[] = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0 && this.#steps.size === 0 && this.#records.size === 0;
  }

  /** True if a caller waits for this group, so that it has more than declarations. */
  get isProgress(): boolean {
    return this.#answers.length > 0;
  }

  get steps(): readonly StepRow[] {
    return [...this.#steps.values()];
  }

  get records(): readonly RecordRow[] {
    return [...this.#records.values()];
  }

  get ending(): readonly EndingStep[] {
    return this.steps.flatMap(({ id, end }) => (end === undefined ? [] : [{ id, status: end.status }]));
  }

  /** Adds nothing. Resolves when the group is stored. */
  prove(): Promise<void> {
    return this.#ask(0, 0, () => () => undefined);
  }

  declare(declaration: StepDeclaration): void {
    this.#add(1, 0, (group) => group.#putStep(declaration, undefined));
  }

  beginStep(declaration: StepDeclaration, hasEffects = false): Promise<void> {
    return this.#ask(1, 0, (group) => {
      group.#putStep(declaration, undefined, hasEffects);
      return () => undefined;
    });
  }

  endStep(id: StepId, end: StepEnd, order: number): Promise<readonly ReplacedRecord[]> {
    const records = end.status === 'done' ? end.records : [];
    const bytes = records.reduce(
      (sum, { json }) => sum + json.length,
      end.status === 'done' ? (end.value?.length ?? 0) : 0,
    );
    const replaced: ReplacedRecord[] = [];
    return this.#ask(1 + records.length, bytes, (group) => {
      group.#putStep({ id, order }, end);
      records.forEach((record, position) => group.#putRecord({ record, order, position, save: undefined, replaced }));
      // A repeated transaction finds them again.
      return () => [...new Map(replaced.map((record) => [toRowId(record.dataset, record.key), record])).values()];
    });
  }

  saveRecord(record: RecordEntry, save: SavePosition): Promise<void> {
    return this.#ask(1, record.json.length, (group) => {
      group.#putRecord({ record, order: save.order, position: 0, save, replaced: [] });
      return () => undefined;
    });
  }

  /** Takes the oldest parts, as many as fit into one transaction. */
  take(): CommitGroup {
    const group = new CommitGroup();
    let rows = 0;
    let bytes = 0;
    let count = 0;
    for (const part of this.#parts) {
      rows += part.rows;
      bytes += part.bytes;
      if (count > 0 && (rows > MAX_ROWS || bytes > MAX_BYTES)) break;
      part.put(group);
      part.put = done;
      count += 1;
    }
    this.#parts = this.#parts.slice(count);
    return group;
  }

  resolve(): void {
    for (const { resolve } of this.#answers) resolve();
    this.#steps.clear();
    this.#records.clear();
    this.#answers.length = 0;
  }

  reject(error: Error): void {
    while (this.#parts.length > 0) for (const answer of this.take().#answers) answer.reject(error);
    for (const { reject } of this.#answers) reject(error);
  }

  #add(rows: number, bytes: number, put: (group: CommitGroup) => void): void {
    this.#parts.push({ rows, bytes, put });
  }

  #ask<Value>(rows: number, bytes: number, put: (group: CommitGroup) => () => Value): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    this.#add(rows, bytes, (group) => {
      const answer = put(group);
      group.#answers.push({ resolve: () => resolve(answer()), reject });
    });
    return promise;
  }

  /** Puts a step. A step that is declared and ended by one commit is one row. */
  #putStep({ id: step, order, added }: StepDeclaration, end: StepEnd | undefined, hasEffects = false): void {
    const id = toStepRowId(step);
    const known = this.#steps.get(id);
    if (known === undefined) {
      this.#steps.set(id, { id, step, order, added, hasEffects, end });
      return;
    }
    known.end = end ?? known.end;
    known.hasEffects ||= hasEffects;
  }

  #putRecord(row: Omit<RecordRow, 'id'>): void {
    const id = toRowId(row.record.dataset, row.record.key);
    const known = this.#records.get(id);
    if (known === undefined) {
      this.#records.set(id, { id, ...row });
      return;
    }
    if (known.order !== row.order) row.replaced.push({ ...row.record, isSame: known.record.json === row.record.json });
    const position = known.order === row.order ? known.position : row.position;
    this.#records.set(id, { id, ...row, position, save: row.save ?? known.save });
  }
}

function done(): void {}

/** Writes the group. Returns the number of records that did not exist before. */
export async function writeGroup(
  transaction: Connection,
  group: CommitGroup,
  { dialect, runId }: { readonly dialect: RegistryDialect; readonly runId: string },
): Promise<number> {
  const { steps, records } = group;
  if (steps.length > 0) await upsertSteps(transaction, steps, { dialect, runId });
  return records.length === 0 ? 0 : writeRecords(transaction, records, { dialect, runId });
}

interface CommitTarget {
  readonly dialect: RegistryDialect;
  readonly runId: string;
}

/** Writes the steps. The order of a step's first declaration stays. */
async function upsertSteps(
  transaction: Connection,
  steps: readonly StepRow[],
  { dialect, runId }: CommitTarget,
): Promise<void> {
  const json = JSON.stringify(
    steps.map(({ id, step, order, added, hasEffects, end }) => [
      id,
      step.batch === null ? null : toStoredName(step.batch),
      toStoredName(step.key),
      order,
      end?.status ?? 'queued',
      end?.status === 'done' ? end.value : null,
      end?.status === 'failed' ? end.error.code : null,
      end?.status === 'failed'
        ? toStorableText(end.error.message)
        : end?.status === 'skipped'
          ? toStorableText(end.reason)
          : null,
      added === undefined ? null : toStoredName(added.by),
      added?.json,
      step.within,
      hasEffects ? 1 : 0,
    ]),
  );
  await sql`
    insert into steps (run_id, id, batch, key, ord, status, value, error_code, message, added_by, item, within, effects)
    select ${runId}, j.value ->> 0, j.value ->> 1, j.value ->> 2, cast(j.value ->> 3 as integer), j.value ->> 4,
      j.value ->> 5, j.value ->> 6, j.value ->> 7, j.value ->> 8, j.value ->> 9,
      j.value ->> 10, cast(j.value ->> 11 as integer)
    from ${dialect.jsonRows(json)} where true
    on conflict (run_id, id) do update set
      status = excluded.status, value = excluded.value, error_code = excluded.error_code, message = excluded.message,
      effects = case when excluded.effects = 1 then 1 else steps.effects end
    where not (excluded.status = 'queued' and steps.status in ('done', 'skipped'))`.execute(transaction);
}

/** Writes the records. Returns the number of those that did not exist before. A step may have more records than fit into one statement. */
async function writeRecords(
  transaction: Connection,
  records: readonly RecordRow[],
  target: CommitTarget,
): Promise<number> {
  let count = 0;
  for (const part of toStatements(records, ({ record }) => record.json.length))
    count += await writeRecordsAtOnce(transaction, part, target);
  return count;
}

/** Divides values into parts for one statement each, limited in number and in length; a value that is too long is a part by itself. */
function* toStatements<Value>(values: readonly Value[], lengthOf: (value: Value) => number): Generator<Value[]> {
  let part: Value[] = [];
  let length = 0;
  for (const value of values) {
    length += lengthOf(value);
    if (part.length > 0 && (part.length === MAX_STATEMENT_ROWS || length > MAX_BYTES)) {
      yield part;
      part = [];
      length = lengthOf(value);
    }
    part.push(value);
  }
  if (part.length > 0) yield part;
}

/** Writes the records of one statement. It tries an insert first, because most records do not exist before. */
async function writeRecordsAtOnce(
  transaction: Connection,
  records: readonly RecordRow[],
  target: CommitTarget,
): Promise<number> {
  const { rows } = await insertRecords(transaction, records, target);
  if (rows.length === records.length) return rows.length;
  const inserted = new Set(rows.map(({ id }) => id));
  await replaceRecords(
    transaction,
    records.filter(({ id }) => !inserted.has(id)),
    target,
  );
  return rows.length;
}

function insertRecords(transaction: Connection, records: readonly RecordRow[], { dialect, runId }: CommitTarget) {
  const json = JSON.stringify(
    records.map(({ id, record, order, position, save }) => [
      id,
      toStoredName(record.dataset),
      toStoredName(record.key),
      record.json,
      order,
      position,
      save?.order,
      save?.nth ?? 0,
    ]),
  );
  return sql<{ id: string }>`
    insert into records (run_id, id, dataset, key, json, ord, position, save_ord, saves)
    select ${runId}, j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, cast(j.value ->> 4 as integer),
      cast(j.value ->> 5 as integer), cast(j.value ->> 6 as integer), cast(j.value ->> 7 as integer)
    from ${dialect.jsonRows(json)} where true
    on conflict (run_id, id) do nothing returning id`.execute(transaction);
}

/** Replaces records. A record that the same step or save stores again keeps its position; a record of another step moves to that step. */
async function replaceRecords(
  transaction: Connection,
  records: readonly RecordRow[],
  { runId }: CommitTarget,
): Promise<void> {
  const before = await transaction
    .selectFrom('records')
    .select(['id', 'json', 'ord', 'position', 'saveOrd', 'saves'])
    .where('runId', '=', runId)
    .where(
      'id',
      'in',
      records.map(({ id }) => id),
    )
    .execute();
  const known = new Map(before.map((row) => [row.id, row]));
  for (const { id, record, order, position, save, replaced } of records) {
    const old = known.get(id);
    const isSamePosition = old?.ord === order;
    if (!isSamePosition && save === undefined) replaced.push({ ...record, isSame: old?.json === record.json });
    await transaction
      .updateTable('records')
      .set({
        json: record.json,
        ord: order,
        position: isSamePosition ? old.position : position,
        ...(save === undefined ? {} : { saveOrd: save.order, saves: save.nth }),
      })
      .where('runId', '=', runId)
      .where('id', '=', id)
      .execute();
  }
}

/** Finds records of other steps that these records of the step at `order` would replace. */
export async function findReplaced(
  db: Connection,
  records: readonly RecordEntry[],
  { runId, order }: { readonly runId: string; readonly order: number },
): Promise<ReplacedRecord[]> {
  const replaced: ReplacedRecord[] = [];
  for (const part of toStatements(records, ({ json }) => json.length)) {
    const byId = new Map(part.map((record) => [toRowId(record.dataset, record.key), record]));
    const rows = await db
      .selectFrom('records')
      .select(['id', 'json'])
      .where('runId', '=', runId)
      .where('ord', '!=', order)
      .where('id', 'in', [...byId.keys()])
      .execute();
    for (const { id, json } of rows) {
      const record = byId.get(id);
      if (record !== undefined) replaced.push({ ...record, isSame: record.json === json });
    }
  }
  return replaced;
}
