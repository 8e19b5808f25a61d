/** Removes old data: sessions, runs with their records, and events. */
import type { SessionStatus } from '../model/session.ts';
import { yieldToWriters, type Registry } from '../registry/registry.ts';

/** The maximum number of sessions that can't be removed. If there are more, the store has a problem, and the next clean-up tries again. */
const MAX_UNREMOVABLE_SESSIONS = 100;

export interface RetentionOptions {
  readonly registry: Registry;
  /** The time in milliseconds for which runs and events are stored. */
  readonly retentionMs: number;
  /** The number of events that are removed at a time. Runs are removed one at a time, because a run has many rows. */
  readonly batchSize: number;
  /** Called for each row that can't be removed. The others are still removed. */
  readonly onFailure: (thrown: unknown) => void;
}

export interface OldSessionsOptions extends Omit<RetentionOptions, 'retentionMs'> {
  readonly status: SessionStatus;
  /** The time in UTC, ISO 8601. */
  readonly before: string;
}

/** Removes sessions of one status that ended before `before`. Returns their number. */
export async function removeOldSessions({
  registry: { sessions },
  status,
  before,
  batchSize: limit,
  onFailure,
}: OldSessionsOptions): Promise<number> {
  const except: string[] = [];
  for (let removed = 0; ; await yieldToWriters()) {
    const filter = { status, before, except, limit };
    try {
      const number = await sessions.removeEnded(filter);
      removed += number;
      if (number < limit) return removed;
    } catch (thrown) {
      const ids = await sessions.listEndedIds(filter);
      // Nothing can be removed at all. Without this check the loop would never end.
      if (ids.length === 0 || except.length >= MAX_UNREMOVABLE_SESSIONS) throw thrown;
      // One session of the batch can't be removed. Separate removals find it, and remove the others.
      for (const id of ids) {
        if (except.length >= MAX_UNREMOVABLE_SESSIONS) break;
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

/**
 * Removes runs that ended before the retention time. Runs with records that were never exported stay. Returns the number of removed runs.
 */
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
      // False: another process continues the run, or did so after it was listed, or has removed it already.
      if (await registry.runs.remove(id, { before })) return 1;
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
      await yieldToWriters();
    }
  }
}

export async function removeOldEvents({ registry, retentionMs, batchSize }: RetentionOptions): Promise<number> {
  const before = new Date(Date.now() - retentionMs).toISOString();
  for (let removed = 0; ; await yieldToWriters()) {
    const number = await registry.events.removeBefore(before, { limit: batchSize });
    removed += number;
    if (number < batchSize) return removed;
  }
}
