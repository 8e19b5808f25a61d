/** Reads the steps and records of a parent: those of its shards, one shard after the other. */
import type { RunReference } from './run-pages.ts';

interface PageQuery {
  readonly after?: string;
  readonly limit: number;
}

/** Yields what `read` yields for the run, or for each shard of a parent. */
export async function* eachShard<Row>(
  run: RunReference,
  read: (run: RunReference) => AsyncIterable<Row>,
): AsyncGenerator<Row> {
  const shards = await listShards(run);
  for (const runId of shards.length === 0 ? [run.runId] : shards) yield* read({ ...run, runId });
}

/** Reads one page of the run, or of the shards of a parent. The cursor of a parent's page begins with the position of the shard. */
export async function pageOfShards<Query extends PageQuery, Page extends { readonly next: string | null }>(
  run: RunReference,
  query: Query,
  read: (run: RunReference, query: Query) => Promise<Page>,
): Promise<Page> {
  const shards = await listShards(run);
  if (shards.length === 0) return read(run, query);
  const [, position = '0', after = ''] = /^(\d{1,9})!(.*)$/s.exec(query.after ?? '') ?? [];
  let at = Math.min(Number(position), shards.length - 1);
  let page = await read({ ...run, runId: shards[at] ?? run.runId }, { ...query, after });
  // A shard without rows has no page of its own.
  while (page.next === null && isEmpty(page) && at < shards.length - 1) {
    at += 1;
    page = await read({ ...run, runId: shards[at] ?? run.runId }, { ...query, after: '' });
  }
  if (page.next !== null) return { ...page, next: `${at}!${page.next}` };
  return { ...page, next: at < shards.length - 1 ? `${at + 1}!` : null };
}

async function listShards({ database, runId }: RunReference): Promise<string[]> {
  const rows = await database.read((db) =>
    db.selectFrom('runs').select('id').where('parentId', '=', runId).orderBy('shard').execute(),
  );
  return rows.map(({ id }) => id);
}

function isEmpty(page: object): boolean {
  return Object.values(page).every((value) => !Array.isArray(value) || value.length === 0);
}
