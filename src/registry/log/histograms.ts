/** Durations that were seen, kept as counters, so that they outlive every process and every row. */
import { count, type CounterName } from './counters.ts';
import type { Connection } from '../sql/database.ts';

/** Upper bounds in ms: from a socket that closes to a machine that slept. */
const BOUNDS_MS = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000] as const;
const BEYOND = '+Inf';
const SUM = 'sum';

export interface StoredHistogram {
  /** Cumulative, as Prometheus has them: how many took at most so long; null is the bound of all. */
  readonly buckets: readonly { readonly leMs: number | null; readonly number: number }[];
  readonly sumMs: number;
  readonly number: number;
}

export async function observe(
  db: Connection,
  name: Extract<CounterName, 'session_death_detection' | 'session_recovery'>,
  durationMs: number,
): Promise<void> {
  const ms = Math.max(0, Math.round(durationMs));
  const bound = BOUNDS_MS.find((one) => ms <= one);
  await count(db, name, { label: bound === undefined ? BEYOND : String(bound) });
  await count(db, name, { label: SUM, by: ms });
}

export function toHistogram(byLabel: Readonly<Record<string, number>>): StoredHistogram {
  let number = 0;
  const bounds = [...BOUNDS_MS.map((bound) => [bound, String(bound)] as const), [null, BEYOND] as const];
  const buckets = bounds.map(([leMs, label]) => {
    number += byLabel[label] ?? 0;
    return { leMs, number };
  });
  return { buckets, sumMs: byLabel[SUM] ?? 0, number };
}
