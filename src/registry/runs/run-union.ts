/** Adds up the shards of a parent. A parent's own row has no numbers, so that no total counts a unit twice. */
import { isFinished, type StepCounts, type StoredRun, type StoredRunStatus } from '../../model/run.ts';

/** The statuses of shards that have ended, the worst first. */
const WORST_FIRST = ['failed', 'halted', 'timed_out', 'partial', 'cancelled'] as const;
const MAX_NAMED_SHARDS = 3;

/** The facts of a shard that decide the status of its parent. */
export type ShardEnd = Pick<StoredRun, 'status' | 'isCancelRequested' | 'givenUpAt'>;

/**
 * Returns the status of a parent: `pending` until a worker takes a shard, `processing` until all have ended. A parent is `completed` only if
 * all its shards are. If only some are, it is `partial`.
 */
export function toUnionStatus(shards: readonly ShardEnd[], isCancelRequested: boolean): StoredRunStatus {
  const statuses = new Set(shards.map(toShardStatus));
  if (statuses.has('processing')) return 'processing';
  if (statuses.has('pending')) return statuses.size === 1 ? 'pending' : 'processing';
  const worst = WORST_FIRST.find((status) => statuses.has(status));
  if (worst === undefined) return 'completed';
  if (isCancelRequested && statuses.has('cancelled')) return 'cancelled';
  return statuses.has('completed') ? 'partial' : worst;
}

/**
 * An attempt of a shard may end as `failed`, `timed_out`, `halted` or `cancelled`, and the next one follows. Its row has that status in
 * between, also if the worker of the attempt is lost.
 */
function toShardStatus({ status, isCancelRequested, givenUpAt }: ShardEnd): StoredRunStatus {
  const isOver = isFinished(status) || isCancelRequested || givenUpAt !== null;
  return isOver || status === 'processing' ? status : 'pending';
}

/** Returns the error of a parent whose shards have ended; null if all of them are completed. */
export function toUnionError(shards: readonly Pick<StoredRun, 'shard' | 'status' | 'error'>[]): StoredRun['error'] {
  const open = shards.filter(({ status }) => status !== 'completed');
  if (open.length === 0) return null;
  const named = open
    .slice(0, MAX_NAMED_SHARDS)
    .map(
      ({ shard, status, error }) =>
        `shard ${(shard ?? 0) + 1} is ${status}${error === null ? '' : ` (${error.message})`}`,
    );
  const more = open.length > named.length ? `; and ${open.length - named.length} more` : '';
  return {
    code: 'shards-unfinished',
    message: `${open.length} of ${shards.length} shards did not complete: ${named.join('; ')}${more}`,
  };
}

/** Returns the parent with the numbers, deaths and times of its shards. */
export function toUnion(parent: StoredRun, shards: readonly StoredRun[]): StoredRun {
  const isOver = parent.endedAt !== null;
  return {
    ...parent,
    status: isOver ? parent.status : toUnionStatus(shards, parent.isCancelRequested),
    counts: addCounts(shards),
    records: sum(shards, ({ records }) => records),
    sessions: sum(shards, ({ sessions }) => sessions),
    reused: sum(shards, ({ reused }) => reused),
    contextLosses: sum(shards, ({ contextLosses }) => contextLosses),
    deaths: shards.flatMap(({ deaths }) => deaths),
    display: addDisplays(shards),
    attempts: sum(shards, ({ attempts }) => attempts),
    startedAt: first(shards.map(({ startedAt }) => startedAt)),
    lastProgressAt: last(shards.map(({ lastProgressAt }) => lastProgressAt)),
    durationMs: sum(shards, ({ durationMs }) => durationMs),
  };
}

function addCounts(shards: readonly StoredRun[]): StepCounts {
  const add = (name: keyof StepCounts) => sum(shards, ({ counts }) => counts[name]);
  return {
    total: add('total'),
    queued: add('queued'),
    running: add('running'),
    done: add('done'),
    failed: add('failed'),
    cancelled: add('cancelled'),
    skipped: add('skipped'),
  };
}

/** Adds up what the actions display, if every shard displays something. Otherwise a total would be too small. */
function addDisplays(shards: readonly StoredRun[]): StoredRun['display'] {
  const displays = shards.map(({ display }) => display).filter((display) => display !== null);
  if (displays.length === 0 || displays.length < shards.length) return null;
  return { done: sum(displays, ({ done }) => done), total: sum(displays, ({ total }) => total) };
}

function sum<Item>(items: readonly Item[], read: (item: Item) => number): number {
  return items.reduce((total, item) => total + read(item), 0);
}

function first(times: readonly (string | null)[]): string | null {
  return times.filter((at) => at !== null).toSorted()[0] ?? null;
}

function last(times: readonly (string | null)[]): string | null {
  return (
    times
      .filter((at) => at !== null)
      .toSorted()
      .at(-1) ?? null
  );
}
