import { DatabaseSync } from 'node:sqlite';

import { Client } from 'pg';

export type RawRow = Record<string, unknown>;

/** One statement past all our code, on a connection of its own: to spoil rows, and to see what is really there. */
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

/** A text as a literal of SQL. */
export function literal(value: string | number | null): string {
  if (value === null) return 'null';
  return typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`;
}

/** A session's row as somebody else may have left it. */
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
