/** Pages of lists, the newest row first. */
import { sql, type RawBuilder, type SqlBool } from 'kysely';

/** The position of a row in the order of a list. */
export interface PageCursor {
  /** UTC, ISO 8601. */
  readonly createdAt: string;
  readonly id: string;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** The row after which the next page begins; null if there is no next page. */
  readonly last: PageCursor | null;
}

/**
 * The maximum size of a page's texts in bytes; a single row may be larger. A page is read in one piece, which blocks all other work for
 * about 10 ms per megabyte.
 */
const MAX_PAGE_BYTES = 2_000_000;

/** Returns the number of rows that fit into one page: at least one if there is any. */
export function countFitting(sizes: readonly number[]): number {
  let sum = 0;
  const tooMany = sizes.findIndex((size) => (sum += size) > MAX_PAGE_BYTES);
  return tooMany === -1 ? sizes.length : Math.max(1, tooMany);
}

/** Makes a page of rows. `read` returns undefined for a damaged row, which is left out; it may still be the cursor. */
export function toPage<Raw extends { readonly id: string; readonly createdAt: string }, Row>(
  raw: readonly Raw[],
  limit: number,
  read: (row: Raw) => Row | undefined,
): Page<Row> {
  const fitting = raw.slice(0, countFitting(raw.map(sizeOf)));
  const last = raw.length < limit && fitting.length === raw.length ? undefined : fitting.at(-1);
  return {
    rows: fitting.map(read).filter((row) => row !== undefined),
    last: last === undefined ? null : { createdAt: last.createdAt, id: last.id },
  };
}

function sizeOf(row: object): number {
  return Object.values(row).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : 0),
    0,
  );
}

/** Returns the condition that one column has the text anywhere in it, or one of the others begins with it, in upper or lower case. */
export function matchesSearch(
  text: string,
  { anywhere, atStart }: { readonly anywhere: string; readonly atStart: readonly string[] },
): RawBuilder<SqlBool> {
  const literal = text.replace(/[!%_]/g, '!$&');
  const isLike = (column: string, pattern: string) =>
    sql<SqlBool>`lower(${sql.ref(column)}) like lower(${pattern}) escape '!'`;
  const conditions = [isLike(anywhere, `%${literal}%`), ...atStart.map((column) => isLike(column, `${literal}%`))];
  return sql<SqlBool>`(${sql.join(conditions, sql` or `)})`;
}
