import { sql } from 'kysely';

import type { Connection } from '../sql/database.ts';

/** The names of the totals. A label distinguishes owners, causes or states; it is empty for a total without parts. */
export const COUNTERS = [
  'lease_token',
  'sessions_created',
  'sessions_reused',
  'rapid_session_creates',
  'context_losses',
  'session_deaths',
  'work_cancelled',
  'cleanup_runs',
  'cleanup_removed',
  'cleanup_failures',
  'run_steps',
  'session_death_detection',
  'session_recovery',
  'output_claims',
] as const;
export type CounterName = (typeof COUNTERS)[number];

/** Adds to a total. Returns the new total. */
export async function count(db: Connection, name: CounterName, { by = 1, label = '' } = {}): Promise<number> {
  const { value } = await db
    .insertInto('counters')
    .values({ name, label, value: by })
    .onConflict((conflict) => conflict.columns(['name', 'label']).doUpdateSet({ value: sql`counters.value + ${by}` }))
    .returning('value')
    .executeTakeFirstOrThrow();
  return value;
}
