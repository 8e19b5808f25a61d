/** Makes and validates the rows of runs. */
import { runSchema, type RunRow, type StoredRun } from '../../model/run.ts';
import { RegistryError } from '../errors.ts';

export interface NewRun {
  /** The id of the run; unique. */
  readonly id: string;
  readonly action: string;
  /** The parameters. The caller has redacted them. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly owner: string;
  /** The options that a resume takes over, as plain JSON. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** The place of a run in a family of a parent and its shards. */
export interface RunPlace {
  readonly parentId: string | null;
  readonly shard: number | null;
  readonly shards: number | null;
}

const ALONE: RunPlace = { parentId: null, shard: null, shards: null };

/** Returns the row of a run that has not begun. */
export function toNewRow({ id, action, params, owner, options = {} }: NewRun, place = ALONE): RunRow {
  const now = new Date().toISOString();
  return {
    id,
    action,
    params: JSON.stringify(params),
    owner,
    status: 'pending',
    token: null,
    lastToken: 0,
    writer: null,
    cancelRequestedAt: null,
    commitNumber: 0,
    total: 0,
    queued: 0,
    running: 0,
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
    records: 0,
    sessions: 0,
    reused: 0,
    contextLosses: 0,
    deaths: '[]',
    displayDone: null,
    displayTotal: null,
    displayLabel: null,
    errorCode: null,
    errorMessage: null,
    outputs: '{}',
    options: JSON.stringify(options),
    host: null,
    pid: null,
    processIdentity: null,
    createdAt: now,
    startedAt: null,
    endedAt: null,
    updatedAt: now,
    lastProgressAt: null,
    durationMs: 0,
    ...place,
    attempts: 0,
    givenUpAt: null,
  };
}

/** Returns the run of a row; undefined if the row is damaged. */
export function readRun(row: RunRow): StoredRun | undefined {
  return runSchema.safeParse(row).data;
}

/** Returns the run of a row. Throws {@link RegistryError} if the row is damaged. */
export function toStoredRun(row: RunRow): StoredRun {
  const run = readRun(row);
  if (run !== undefined) return run;
  throw new RegistryError(
    `The registry's row of run ${row.id} is damaged. Restore the registry from a copy, or remove the run (\`registry.runs.remove\`).`,
    { data: { runId: row.id } },
  );
}
