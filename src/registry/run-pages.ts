/** What a run has kept, read in pages: nobody waits for a long list, and none is ever whole in the database's hands. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Database } from './database.ts';
import { fromStoredName } from './row-id.ts';
import type { RecordEntry, StepStatus, StoredSave, StoredStep } from './run-store.ts';

/** Read within a few milliseconds. */
const PAGE = 1_000;

export interface RunPlace {
  readonly database: Database;
  readonly runId: string;
}

export async function* pageSteps({ database, runId }: RunPlace): AsyncGenerator<StoredStep> {
  for (let after = -1; ;) {
    const rows = await database.read((db) =>
      db
        .selectFrom('steps')
        .selectAll()
        .where('run_id', '=', runId)
        .where('ord', '>', after)
        .orderBy('ord')
        .limit(PAGE)
        .execute(),
    );
    for (const { batch, key, ord, status, value, error_code, message, added_by, item } of rows) {
      yield {
        id: { batch: batch === null ? null : fromStoredName(batch), key: fromStoredName(key) },
        order: ord,
        status: status as StepStatus,
        end: toEnd(status, { value, code: error_code, message }),
        ...(added_by === null || item === null ? {} : { added: { by: fromStoredName(added_by), json: item } }),
      };
    }
    if (rows.length < PAGE) return;
    after = rows.at(-1)?.ord ?? after;
    await nextTurn();
  }
}

export async function* pageRecords({ database, runId }: RunPlace): AsyncGenerator<RecordEntry> {
  for (let after = { ord: -1, position: -1, id: '' }; ;) {
    const rows = await database.read((db) =>
      db
        .selectFrom('records')
        .select(['id', 'dataset', 'key', 'json', 'ord', 'position'])
        .where('run_id', '=', runId)
        // Records that were set from outside may share a place: none may be lost at a page's end.
        .where((eb) => eb(eb.refTuple('ord', 'position', 'id'), '>', eb.tuple(after.ord, after.position, after.id)))
        .orderBy('ord')
        .orderBy('position')
        .orderBy('id')
        .limit(PAGE)
        .execute(),
    );
    for (const { dataset, key, json } of rows)
      yield { dataset: fromStoredName(dataset), key: fromStoredName(key), json };
    if (rows.length < PAGE) return;
    after = rows.at(-1) ?? after;
    await nextTurn();
  }
}

/** Records saved outside of steps: few. */
export async function* pageSaves({ database, runId }: RunPlace): AsyncGenerator<StoredSave> {
  const rows = await database.read((db) =>
    db
      .selectFrom('records')
      .select(['dataset', 'key', 'save_ord', 'saves'])
      .where('run_id', '=', runId)
      .where('save_ord', 'is not', null)
      .execute(),
  );
  for (const { dataset, key, save_ord, saves } of rows)
    yield { dataset: fromStoredName(dataset), key: fromStoredName(key), order: save_ord ?? 0, nth: saves };
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
