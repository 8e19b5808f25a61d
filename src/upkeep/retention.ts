/** What nobody needs any more: old runs with their records, and old events. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Registry } from '../registry/registry.ts';

export interface RetentionOptions {
  readonly registry: Registry;
  /** How long runs and events stay. */
  readonly retentionMs: number;
  /** Rows of events at a time; a run is removed by itself, for it has many rows. */
  readonly batchSize: number;
  /** One that can't be removed stops no other. */
  readonly onFailure: (thrown: unknown) => void;
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
  let removed = 0;
  for (;;) {
    const ids = await registry.runs.listRemovable({ before, limit: batchSize + failed.size });
    const fresh = ids.filter((id) => !failed.has(id));
    if (fresh.length === 0) return removed;
    for (const id of fresh) {
      try {
        // False: somebody goes on with it, or was quicker.
        if (await registry.runs.remove(id)) removed += 1;
        else failed.add(id);
      } catch (thrown) {
        failed.add(id);
        onFailure(thrown);
      }
      await nextTurn();
    }
  }
}

export async function removeOldEvents({ registry, retentionMs, batchSize }: RetentionOptions): Promise<number> {
  const before = new Date(Date.now() - retentionMs).toISOString();
  for (let removed = 0; ; await nextTurn()) {
    const number = await registry.events.removeBefore(before, { limit: batchSize });
    removed += number;
    if (number < batchSize) return removed;
  }
}
