/** A part of a list of the newest first. */

/** Where a row stands in it. */
export interface Place {
  /** UTC, ISO 8601. */
  readonly createdAt: string;
  readonly id: string;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** What the next page begins after; null where there is none. */
  readonly last: Place | null;
}

/** `read` gives undefined for a damaged row, which is left out and ends no page. */
export function toPage<Raw extends { readonly id: string; readonly createdAt: string }, Row>(
  raw: readonly Raw[],
  limit: number,
  read: (row: Raw) => Row | undefined,
): Page<Row> {
  const last = raw.length < limit ? undefined : raw.at(-1);
  return {
    rows: raw.map(read).filter((row) => row !== undefined),
    last: last === undefined ? null : { createdAt: last.createdAt, id: last.id },
  };
}
