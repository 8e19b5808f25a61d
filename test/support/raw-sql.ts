import { DatabaseSync } from 'node:sqlite';

import { Client } from 'pg';

export type RawRow = Record<string, unknown>;

/** Runs one statement on a separate connection without any of our code, to damage rows or to read what is really stored. */
export async function rawSql(url: string, statement: string): Promise<RawRow[]> {
  if (url.startsWith('sqlite:')) {
    using database = new DatabaseSync(url.slice('sqlite:'.length), { timeout: 5_000 });
    return database.prepare(statement).all();
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<RawRow>(statement);
    return rows;
  } finally {
    await client.end();
  }
}

/** Returns the value as an SQL literal. */
export function literal(value: string | number | null): string {
  if (value === null) return 'null';
  return typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`;
}

/** Returns the statement that inserts a session of another process, except for the values of `columns`. */
export function insertSession(columns: Readonly<Record<string, string | number | null>>): string {
  const now = new Date().toISOString();
  const row = {
    status: 'active',
    token: 1,
    holder: 'somebody',
    lease_expires_ms: 0,
    epoch: 1,
    host: 'there',
    pid: 7,
    process_identity: 'seven',
    created_at: now,
    last_used_at: now,
    ...columns,
  };
  return `insert into sessions (${Object.keys(row).join(', ')}) values (${Object.values(row).map(literal).join(', ')})`;
}
