import { rawSql } from './raw-sql.ts';

/**
 * Makes the database refuse to remove the rows of a table for which `condition` holds. Without a condition (PostgreSQL only) it refuses
 * every removal.
 */
export async function refuseRemovals(url: string, table: string, condition?: string): Promise<void> {
  if (url.startsWith('sqlite:')) {
    await rawSql(
      url,
      `create trigger refusal before delete on ${table} when ${condition}
        begin select raise(abort, 'refused by a test'); end`,
    );
    return;
  }
  await rawSql(
    url,
    `create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused by a test'; end $$`,
  );
  const each = condition === undefined ? 'for each statement' : `for each row when (${condition})`;
  await rawSql(url, `create trigger refusal before delete on ${table} ${each} execute function refuse()`);
}

export async function allowRemovals(url: string): Promise<void> {
  await rawSql(url, url.startsWith('sqlite:') ? 'drop trigger refusal' : 'drop function refuse cascade');
}
