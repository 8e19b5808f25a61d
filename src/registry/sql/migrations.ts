/**
 * The migrations of the schema. They are append-only. Each is applied once, under a lock, in one transaction. A program that is killed
 * during a migration leaves the schema as it was before.
 */
import { sql, type Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';

import { toError } from '../../core/errors.ts';
import type { RegistryDialect } from './dialect.ts';
import { RegistryError } from '../errors.ts';
import type { Tables } from './tables.ts';

const HISTORY_TABLE = 'kysely_migration';

/** Applies the missing migrations. `upTo` is the last one to apply, so that a test can begin with an older schema. */
export async function migrate(db: Kysely<Tables>, dialect: RegistryDialect, upTo?: string): Promise<void> {
  const migrations = makeMigrations(dialect);
  await refuseNewerSchema(db, Object.keys(migrations), dialect);
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error } = upTo === undefined ? await migrator.migrateToLatest() : await migrator.migrateTo(upTo);
  if (error !== undefined) throw toError(error);
}

async function refuseNewerSchema(
  db: Kysely<Tables>,
  known: readonly string[],
  { location }: RegistryDialect,
): Promise<void> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === HISTORY_TABLE)) return;
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(HISTORY_TABLE)}`.execute(db);
  const newer = rows.map(({ name }) => name).filter((name) => !known.includes(name));
  if (newer.length === 0) return;
  throw new RegistryError(
    `The registry ${location} was made by a newer version of this program (it has ${newer.join(', ')}, which this one does not know). ` +
      'Update the program, or choose another registry with REGISTRY_URL.',
    { data: { newer } },
  );
}

function makeMigrations(dialect: RegistryDialect): Record<string, Migration> {
  return {
    '001_tables': { up: (db: Kysely<unknown>) => createTables(db, dialect) },
    '002_one_live_session_per_owner': { up: (db: Kysely<Tables>) => enforceOneLiveSession(db) },
    '003_monitor': { up: (db: Kysely<unknown>) => createMonitorTables(db) },
    '004_nested_steps': { up: (db: Kysely<unknown>) => addNestedSteps(db) },
    '005_fence': { up: (db: Kysely<unknown>) => addFence(db) },
    '006_released_sessions': { up: (db: Kysely<unknown>) => addReleasedAt(db) },
    '007_shards': { up: (db: Kysely<unknown>) => addShards(db) },
    '008_given_up_shards': { up: (db: Kysely<unknown>) => addGivenUpAt(db) },
    '009_live_view': { up: (db: Kysely<unknown>) => addLiveView(db) },
  };
}

async function createTables(db: Kysely<unknown>, { autoIncrement }: RegistryDialect): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('sessions')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('token', 'bigint', (column) => column.notNull())
    .addColumn('holder', 'text', (column) => column.notNull())
    .addColumn('lease_expires_ms', 'bigint', (column) => column.notNull())
    .addColumn('webdriver_id', 'text')
    .addColumn('epoch', 'integer', (column) => column.notNull())
    .addColumn('run_id', 'text')
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('process_identity', 'text', (column) => column.notNull())
    .addColumn('driver_pid', 'integer')
    .addColumn('browser_pid', 'integer')
    .addColumn('folder', 'text')
    .addColumn('endpoint', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('started_at', 'text')
    .addColumn('last_heartbeat_at', 'text')
    .addColumn('last_used_at', 'text', (column) => column.notNull())
    .addColumn('ended_at', 'text')
    .addColumn('death', 'text')
    .addColumn('error_message', 'text')
    .addColumn('label', 'text')
    .addColumn('data', 'text')
    .execute();
  await schema.createIndex('sessions_owner').on('sessions').columns(['owner', 'created_at']).execute();
  await schema.createIndex('sessions_status').on('sessions').columns(['status', 'holder']).execute();
  await schema
    .createTable('runs')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('params', 'text', (column) => column.notNull())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('token', 'bigint')
    .addColumn('cancel_requested_at', 'text')
    .addColumn('commit_number', 'bigint', (column) => column.notNull())
    .addColumn('total', 'integer', (column) => column.notNull())
    .addColumn('queued', 'integer', (column) => column.notNull())
    .addColumn('running', 'integer', (column) => column.notNull())
    .addColumn('done', 'integer', (column) => column.notNull())
    .addColumn('failed', 'integer', (column) => column.notNull())
    .addColumn('cancelled', 'integer', (column) => column.notNull())
    .addColumn('skipped', 'integer', (column) => column.notNull())
    .addColumn('records', 'integer', (column) => column.notNull())
    .addColumn('sessions', 'integer', (column) => column.notNull())
    .addColumn('reused', 'bigint', (column) => column.notNull())
    .addColumn('context_losses', 'bigint', (column) => column.notNull())
    .addColumn('deaths', 'text', (column) => column.notNull())
    .addColumn('display_done', 'double precision')
    .addColumn('display_total', 'double precision')
    .addColumn('display_label', 'text')
    .addColumn('error_code', 'text')
    .addColumn('error_message', 'text')
    .addColumn('outputs', 'text', (column) => column.notNull())
    .addColumn('options', 'text', (column) => column.notNull())
    .addColumn('host', 'text')
    .addColumn('pid', 'integer')
    .addColumn('process_identity', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('started_at', 'text')
    .addColumn('ended_at', 'text')
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('last_progress_at', 'text')
    .addColumn('duration_ms', 'bigint', (column) => column.notNull())
    .execute();
  await schema.createIndex('runs_created').on('runs').columns(['created_at']).execute();
  await schema.createIndex('runs_status').on('runs').columns(['status', 'owner']).execute();
  await schema
    .createTable('steps')
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('batch', 'text')
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('ord', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('value', 'text')
    .addColumn('error_code', 'text')
    .addColumn('message', 'text')
    .addColumn('added_by', 'text')
    .addColumn('item', 'text')
    .addPrimaryKeyConstraint('steps_key', ['run_id', 'id'])
    .execute();
  await schema.createIndex('steps_order').on('steps').columns(['run_id', 'ord']).execute();
  await schema
    .createTable('records')
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('dataset', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('json', 'text', (column) => column.notNull())
    .addColumn('ord', 'integer', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('save_ord', 'integer')
    .addColumn('saves', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('records_key', ['run_id', 'id'])
    .execute();
  await schema.createIndex('records_order').on('records').columns(['run_id', 'ord', 'position']).execute();
  await sql`create table events (
    id ${autoIncrement}, at text not null, type text not null, owner text, session_id text, run_id text, status text,
    message text, data text)`.execute(db);
  await schema.createIndex('events_at').on('events').columns(['at']).execute();
  await schema
    .createTable('counters')
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('label', 'text', (column) => column.notNull())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('counters_key', ['name', 'label'])
    .execute();
}

async function createMonitorTables(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('leaders')
    .addColumn('office', 'text', (column) => column.primaryKey())
    .addColumn('holder', 'text', (column) => column.notNull())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('since', 'text', (column) => column.notNull())
    .addColumn('expires_ms', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('alerts')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('severity', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('next', 'text')
    .addColumn('owner', 'text')
    .addColumn('run_id', 'text')
    .addColumn('session_id', 'text')
    .addColumn('since', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('delivered', 'text', (column) => column.notNull())
    .execute();
  await schema
    .createTable('removals')
    .addColumn('run_id', 'text', (column) => column.primaryKey())
    .execute();
  await schema.createIndex('events_type').on('events').columns(['type', 'at']).execute();
  await schema.createIndex('events_owner').on('events').columns(['owner', 'id']).execute();
  await schema.createIndex('runs_owner').on('runs').columns(['owner', 'created_at']).execute();
  // The index contains only live sessions, because only those are searched by run. Removals of other sessions do not have to update it.
  await sql`create index sessions_run on sessions (run_id) where status in ('starting', 'active')`.execute(db);
  // The clean-up finds old sessions without reading the others.
  await schema.dropIndex('sessions_status').execute();
  await sql`create index sessions_status on sessions (status, (coalesce(ended_at, created_at)))`.execute(db);
}

async function addNestedSteps(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('steps').addColumn('within', 'text').execute();
  await db.schema
    .alterTable('steps')
    .addColumn('effects', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
}

async function addFence(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('writer', 'text').execute();
  await db.schema
    .alterTable('runs')
    .addColumn('last_token', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`update runs set last_token = coalesce(token, 0)`.execute(db);
}

/** Sessions that ended before count as released, because nothing is known about them. */
async function addReleasedAt(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('released_at', 'text').execute();
  await sql`update sessions set released_at = ended_at where endpoint is not null and ended_at is not null`.execute(db);
  // The index contains only the sessions that endpoints still have.
  await sql`create index sessions_unreleased on sessions (ended_at) where endpoint is not null and released_at is null`.execute(
    db,
  );
}

async function addShards(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('parent_id', 'text').execute();
  await db.schema.alterTable('runs').addColumn('shard', 'integer').execute();
  await db.schema.alterTable('runs').addColumn('shards', 'integer').execute();
  await db.schema
    .alterTable('runs')
    .addColumn('attempts', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`create index runs_parent on runs (parent_id, shard) where parent_id is not null`.execute(db);
}

/** Shards that had ended before were given up by their last worker. */
async function addGivenUpAt(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('runs').addColumn('given_up_at', 'text').execute();
  await sql`update runs set given_up_at = ended_at where parent_id is not null and status not in ('completed', 'partial')`.execute(
    db,
  );
  await sql`create index runs_open_shards on runs (parent_id)
    where parent_id is not null and status not in ('completed', 'partial') and given_up_at is null`.execute(db);
  await sql`create index runs_open_parents on runs (id) where shards is not null and ended_at is null`.execute(db);
}

async function addLiveView(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('live_view', 'text').execute();
}

/** Ends all live sessions of an owner except the newest one. */
async function enforceOneLiveSession(db: Kysely<Tables>): Promise<void> {
  await sql`
    update sessions set status = 'ended', ended_at = ${new Date().toISOString()},
      error_message = 'ended: the owner had a newer live session'
    where status in ('starting', 'active') and exists (
      select 1 from sessions as newer
      where newer.owner = sessions.owner and newer.status in ('starting', 'active')
        and (newer.created_at > sessions.created_at or (newer.created_at = sessions.created_at and newer.id > sessions.id))
    )`.execute(db);
  await sql`create unique index sessions_one_live_per_owner on sessions (owner) where status in ('starting', 'active')`.execute(
    db,
  );
}
