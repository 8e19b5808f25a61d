/** What nobody needs any more: old runs with their records, and old events. */
import type { SessionStatus } from '../model/session.ts';
import { giveWay, type Registry } from '../registry/registry.ts';

/** So many sessions that resist are no exceptions: the store is in trouble, and whoever comes next tries again. */
const MOST_RESISTING = 100;

export interface RetentionOptions {
  readonly registry: Registry;
  /** How long runs and events stay. */
  readonly retentionMs: number;
  /** Rows of events at a time; a run is removed by itself, for it has many rows. */
  readonly batchSize: number;
  /** One that can't be removed stops no other. */
  readonly onFailure: (thrown: unknown) => void;
}

export interface OldSessionsOptions extends Omit<RetentionOptions, 'retentionMs'> {
  readonly status: SessionStatus;
  /** UTC, ISO 8601. */
  readonly before: string;
}

/** Sessions of one status that ended before `before`. Returns how many went. */
export async function removeOldSessions({
  registry: { sessions },
  status,
  before,
  batchSize: limit,
  onFailure,
}: OldSessionsOptions): Promise<number> {
  const except: string[] = [];
  for (let removed = 0; ; await giveWay()) {
    const filter = { status, before, except, limit };
    try {
      const number = await sessions.removeEnded(filter);
      removed += number;
      if (number < limit) return removed;
    } catch (thrown) {
      const ids = await sessions.listEndedIds(filter);
      // Nothing can be removed at all: without this it would be tried for ever.
      if (ids.length === 0 || except.length >= MOST_RESISTING) throw thrown;
      // One of the batch can't be removed: each by itself tells which, and the others go.
      for (const id of ids) {
        if (except.length >= MOST_RESISTING) break;
        try {
          if (await sessions.remove(id)) removed += 1;
        } catch (reason) {
          except.push(id);
          onFailure(reason);
        }
      }
    }
  }
}

/** Runs that ended so long ago. Those with records that were never exported stay. Returns how many went. */
export async function removeOldRuns({
  registry,
  retentionMs,
  batchSize,
  onFailure,
}: RetentionOptions): Promise<number> {
  const before = new Date(Date.now() - retentionMs).toISOString();
  const failed = new Set<string>();
  const tryToRemove = async (id: string) => {
    try {
      // False: somebody goes on with it, or was quicker.
      if (await registry.runs.remove(id)) return 1;
    } catch (thrown) {
      onFailure(thrown);
    }
    failed.add(id);
    return 0;
  };
  for (const id of await registry.runs.listHalfRemoved()) await tryToRemove(id);
  for (let removed = 0; ;) {
    const ids = await registry.runs.listRemovable({ before, limit: batchSize + failed.size });
    const fresh = ids.filter((id) => !failed.has(id));
    if (fresh.length === 0) return removed;
    for (const id of fresh) {
      removed += await tryToRemove(id);
      await giveWay();
    }
  }
}

export async function removeOldEvents({ registry, retentionMs, batchSize }: RetentionOptions): Promise<number> {
  const before = new Date(Date.now() - retentionMs).toISOString();
  for (let removed = 0; ; await giveWay()) {
    const number = await registry.events.removeBefore(before, { limit: batchSize });
    removed += number;
    if (number < batchSize) return removed;
  }
}
