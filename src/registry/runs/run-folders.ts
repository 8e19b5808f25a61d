/**
 * The claims of runs on their output folders. Two runs that write into one folder would replace each other's files. The claim is a part
 * of the run's row, so that it ends with the run's lease, even if the program is killed.
 */
import type { StoredRun } from '../../model/run.ts';
import { LIVE_STATUSES } from '../../model/session.ts';
import { ConfigError } from '../../core/errors.ts';
import { count } from '../log/counters.ts';
import type { Connection, Database } from '../sql/database.ts';

/** A folder on one machine. */
export interface FolderClaim {
  /** The absolute path without symbolic links. */
  readonly folder: string;
  readonly host: string;
  /** Returns true if a process is known to be gone. Its lease then no longer counts. */
  readonly isGone: (process: {
    readonly host: string | null;
    readonly pid: number | null;
    readonly processIdentity: string | null;
  }) => boolean;
}

/** The name of the claim in a run's `options`. */
const CLAIM_OPTION = 'writesTo';

/** Throws `ConfigError` if another run writes into the folder now. */
export async function assertFolderFree(database: Database, runId: string, claim: FolderClaim): Promise<void> {
  const { dialect } = database;
  await database.read((db) => refuseHeld(db, { runId, claim, dialect }));
}

/**
 * Claims the folder for a run that begins in the same transaction. Returns the run's options. Throws `ConfigError` if another run writes
 * into the folder.
 */
export async function claimFolder(
  db: Connection,
  {
    runId,
    claim,
    dialect,
  }: { readonly runId: string; readonly claim: FolderClaim; readonly dialect: Database['dialect'] },
): Promise<string | undefined> {
  // This lock allows one claim at a time: two transactions that don't see each other would both succeed.
  await count(db, 'output_claims');
  const others = await refuseHeld(db, { runId, claim, dialect });
  // Their processes may only be suspended. When they resume and renew their leases, the folder is no longer theirs.
  for (const { id, options } of others)
    await writeOptions(db, id, { ...toOptions(options), [CLAIM_OPTION]: undefined });
  const row = await db.selectFrom('runs').select('options').where('id', '=', runId).executeTakeFirst();
  return row === undefined ? undefined : JSON.stringify({ ...toOptions(row.options), [CLAIM_OPTION]: claim.folder });
}

/** Throws `ConfigError` if another run has claimed the folder of `run` since `run` began. */
export async function assertFolderKept(
  database: Database,
  { id: runId, options: { [CLAIM_OPTION]: folder } }: Pick<StoredRun, 'id' | 'options'>,
): Promise<void> {
  const row = await database.read((db) =>
    db.selectFrom('runs').select('options').where('id', '=', runId).executeTakeFirst(),
  );
  if (row === undefined || toOptions(row.options)[CLAIM_OPTION] === folder) return;
  throw new ConfigError(
    `Another run began to write into ${String(folder)} after this process was suspended and its lease expired. Its files were not changed. The ` +
      `records are in the registry: write them into another folder with \`runs export ${runId} --output FOLDER\`.`,
    { data: { runId, folder } },
  );
}

/** Throws `ConfigError` if a working run has claimed the folder. Returns the runs that claimed it and have lost their lease. */
async function refuseHeld(
  db: Connection,
  {
    runId,
    claim,
    dialect,
  }: { readonly runId: string; readonly claim: FolderClaim; readonly dialect: Database['dialect'] },
): Promise<readonly { readonly id: string; readonly options: string }[]> {
  const { folder, host, isGone } = claim;
  const working = await db
    .selectFrom('runs')
    .select(['id', 'action', 'options', 'host', 'pid', 'processIdentity'])
    .select((eb) =>
      eb
        .exists(
          eb
            .selectFrom('sessions')
            .select('sessions.id')
            .whereRef('sessions.token', '=', 'runs.token')
            .where('sessions.status', 'in', LIVE_STATUSES)
            .where('sessions.leaseExpiresMs', '>', dialect.nowMs),
        )
        // PostgreSQL returns a boolean, SQLite a number.
        .as('isLeased'),
    )
    .where('status', '=', 'processing')
    .where('host', '=', host)
    .where('id', '!=', runId)
    .execute();
  const claimed = working.filter(({ options }) => toOptions(options)[CLAIM_OPTION] === folder);
  const holder = claimed.find(({ isLeased, ...process }) => Boolean(isLeased) && !isGone(process));
  if (holder === undefined) return claimed;
  throw new ConfigError(
    `The run ${holder.id} of ${holder.action} (pid ${holder.pid}) writes into ${folder} now. Wait for its end, cancel it with ` +
      `\`runs cancel ${holder.id}\`, or choose another folder with --output.`,
    { data: { runId: holder.id, folder } },
  );
}

async function writeOptions(db: Connection, id: string, options: Readonly<Record<string, unknown>>): Promise<void> {
  await db
    .updateTable('runs')
    .set({ options: JSON.stringify(options) })
    .where('id', '=', id)
    .execute();
}

function toOptions(json: string): Readonly<Record<string, unknown>> {
  return JSON.parse(json) as Record<string, unknown>;
}
