/** Histograms of durations. They are stored as counters, so that they outlive processes and rows. */
import { count, type CounterName } from './counters.ts';
import type { Connection } from '../sql/database.ts';

/** The upper bounds of the buckets in milliseconds, from a closed socket to a machine that slept. */
const BOUNDS_MS = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000] as const;
const INFINITY_LABEL = '+Inf';
const SUM_LABEL = 'sum';

export interface StoredHistogram {
  /** Cumulative buckets as in Prometheus: the number of durations of at most `leMs`; null means no bound. */
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
  await count(db, name, { label: bound === undefined ? INFINITY_LABEL : String(bound) });
  await count(db, name, { label: SUM_LABEL, by: ms });
}

export function toHistogram(byLabel: Readonly<Record<string, number>>): StoredHistogram {
  let number = 0;
  const bounds = [...BOUNDS_MS.map((bound) => [bound, String(bound)] as const), [null, INFINITY_LABEL] as const];
  const buckets = bounds.map(([leMs, label]) => {
    number += byLabel[label] ?? 0;
    return { leMs, number };
  });
  return { buckets, sumMs: byLabel[SUM_LABEL] ?? 0, number };
}
