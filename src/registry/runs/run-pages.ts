/** Reads the stored steps and records of a run in pages, so that a long list neither blocks other work nor fills the memory. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { StepStatus } from '../../model/run.ts';
import type { Connection, Database } from '../sql/database.ts';
import { countFitting } from '../sql/page.ts';
import { fromStoredName } from '../sql/row-id.ts';
import type { RecordEntry, StoredSave, StoredStep } from './run-store.ts';

/** The number of rows that are read at a time, within a few milliseconds. */
const PAGE_ROWS = 1_000;

export interface RunReference {
  readonly database: Database;
  readonly runId: string;
}

export async function* pageSteps({ database, runId }: RunReference): AsyncGenerator<StoredStep> {
  for (let after = -1; ;) {
    const rows = await database.read((db) =>
      db
        .selectFrom('steps')
        .selectAll()
        .where('runId', '=', runId)
        .where('ord', '>', after)
        .orderBy('ord')
        .limit(PAGE_ROWS)
        .execute(),
    );
    for (const { batch, key, within, ord, status, value, errorCode, message, addedBy, item, effects } of rows) {
      yield {
        id: {
          batch: batch === null ? null : fromStoredName(batch),
          key: fromStoredName(key),
          ...(within !== null && { within }),
        },
        order: ord,
        status: status as StepStatus,
        hasEffects: effects === 1,
        end: toEnd(status, { value, code: errorCode, message }),
        ...(addedBy === null || item === null ? {} : { added: { by: fromStoredName(addedBy), json: item } }),
      };
    }
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)?.ord ?? after;
    await nextTurn();
  }
}

/** A step as the monitor lists it. */
export interface ListedStep {
  readonly batch: string | null;
  readonly key: string;
  readonly status: StepStatus;
  /** The code of a failure. */
  readonly code: string | null;
  /** The message of a failure, or the reason of a skipped step. */
  readonly message: string | null;
  /** An item that another item's worker added, as JSON. */
  readonly item: string | null;
}

export interface StepsPage {
  readonly steps: readonly ListedStep[];
  /** The cursor after which the next page begins; null if there is none. */
  readonly next: string | null;
}

/** Reads steps in the order in which they were declared. An `after` that no page gave begins at the beginning. */
export async function readStepsPage(
  { database, runId }: RunReference,
  { after, limit, status }: { readonly after?: string; readonly limit: number; readonly status?: StepStatus },
): Promise<StepsPage> {
  const [, ord, id = ''] = /^(\d{1,9})\.(.*)$/s.exec(after ?? '') ?? [];
  const page = (db: Connection) =>
    db
      .selectFrom('steps')
      .where('runId', '=', runId)
      .where((eb) => eb(eb.refTuple('ord', 'id'), '>', eb.tuple(Number(ord ?? -1), id)))
      .$if(status !== undefined, (query) => query.where('status', '=', status ?? ''))
      .orderBy('ord')
      .orderBy('id');
  const sizes = await database.read((db) =>
    page(db)
      .select((eb) => [
        eb.fn<number>('octet_length', ['key']).as('key'),
        eb.fn<number | null>('octet_length', ['message']).as('message'),
        eb.fn<number | null>('octet_length', ['item']).as('item'),
      ])
      .limit(limit)
      .execute(),
  );
  const count = countFitting(sizes.map(({ key, message, item }) => key + (message ?? 0) + (item ?? 0)));
  const rows = await database.read((db) =>
    page(db).select(['id', 'ord', 'batch', 'key', 'status', 'errorCode', 'message', 'item']).limit(count).execute(),
  );
  const last = sizes.length < limit && rows.length === sizes.length ? undefined : rows.at(-1);
  return {
    steps: rows.map(({ batch, key, errorCode, message, item, ...row }) => ({
      batch: batch === null ? null : fromStoredName(batch),
      key: fromStoredName(key),
      status: row.status as StepStatus,
      code: errorCode,
      message,
      item,
    })),
    next: last === undefined ? null : `${last.ord}.${last.id}`,
  };
}

/** The position of a record in the order of export. */
interface RecordCursor {
  readonly ord: number;
  readonly position: number;
  readonly id: string;
}

const FIRST_CURSOR: RecordCursor = { ord: -1, position: -1, id: '' };

export interface RecordsPage {
  readonly records: readonly RecordEntry[];
  /** The cursor after which the next page begins; null if there is none. */
  readonly next: string | null;
}

export async function* pageRecords(run: RunReference): AsyncGenerator<RecordEntry> {
  for (let after = FIRST_CURSOR; ;) {
    const { rows, isLast } = await readRecords(run, { after, limit: PAGE_ROWS });
    for (const row of rows) yield toEntry(row);
    if (isLast) return;
    after = rows.at(-1) ?? after;
    await nextTurn();
  }
}

/** Reads one page. An invalid `after` begins at the beginning. A page of large records has fewer than `limit`. */
export async function readRecordsPage(
  run: RunReference,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<RecordsPage> {
  const { rows, isLast } = await readRecords(run, { after: fromCursor(after), limit });
  const last = isLast ? undefined : rows.at(-1);
  return { records: rows.map(toEntry), next: last === undefined ? null : `${last.ord}.${last.position}.${last.id}` };
}

async function readRecords(
  { database, runId }: RunReference,
  { after, limit }: { readonly after: RecordCursor; readonly limit: number },
) {
  const page = (db: Connection) =>
    db
      .selectFrom('records')
      .where('runId', '=', runId)
      // Records that were written from outside may share a position. The id ensures that none is lost at the end of a page.
      .where((eb) => eb(eb.refTuple('ord', 'position', 'id'), '>', eb.tuple(after.ord, after.position, after.id)))
      .orderBy('ord')
      .orderBy('position')
      .orderBy('id');
  // The databases return the size of a text without reading the text.
  const sizes = await database.read((db) =>
    page(db)
      .select((eb) => eb.fn<number>('octet_length', ['json']).as('bytes'))
      .limit(limit)
      .execute(),
  );
  const count = countFitting(sizes.map(({ bytes }) => bytes));
  const rows = await database.read((db) =>
    page(db).select(['id', 'dataset', 'key', 'json', 'ord', 'position']).limit(count).execute(),
  );
  return { rows, isLast: sizes.length < limit && rows.length === sizes.length };
}

function toEntry({ dataset, key, json }: RecordEntry): RecordEntry {
  return { dataset: fromStoredName(dataset), key: fromStoredName(key), json };
}

function fromCursor(cursor: string | undefined): RecordCursor {
  const [, ord, position, id = ''] = /^(\d{1,9})\.(\d{1,9})\.(.*)$/s.exec(cursor ?? '') ?? [];
  return ord === undefined ? FIRST_CURSOR : { ord: Number(ord), position: Number(position), id };
}

/** Lists the records that were saved outside of steps. */
export async function* pageSaves({ database, runId }: RunReference): AsyncGenerator<StoredSave> {
  for (let after = ''; ;) {
    const rows = await database.read((db) =>
      db
        .selectFrom('records')
        .select(['id', 'dataset', 'key', 'saveOrd', 'saves'])
        .where('runId', '=', runId)
        .where('saveOrd', 'is not', null)
        .where('id', '>', after)
        .orderBy('id')
        .limit(PAGE_ROWS)
        .execute(),
    );
    for (const { dataset, key, saveOrd, saves } of rows)
      yield { dataset: fromStoredName(dataset), key: fromStoredName(key), order: saveOrd ?? 0, nth: saves };
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)?.id ?? after;
    await nextTurn();
  }
}

function toEnd(
  status: string,
  { value, code, message }: { value: string | null; code: string | null; message: string | null },
): StoredStep['end'] {
  if (status === 'done') return { status, value: value ?? undefined };
  if (status === 'skipped') return { status, reason: message ?? '' };
  if (status === 'failed') return { status, error: { code: code ?? 'error', message: message ?? '' } };
  return undefined;
}
