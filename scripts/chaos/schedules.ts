/** Does seeded schedules of processes that compete for one run, and checks their histories. */
import path from 'node:path';

import { twoAtATime } from '../../test/faults/natural/two-at-a-time.ts';
import { checkHistory, type Violation } from '../../test/registry/history/checker.ts';
import { ProcessPool } from '../../test/registry/history/processes.ts';
import { runSchedule } from '../../test/registry/history/run-schedule.ts';
import { describeMove, makeSchedule, type DatabaseKind } from '../../test/registry/history/schedule.ts';
import { usePrivateTmpdir } from '../../test/support/private-tmpdir.ts';
import { closeSharedPostgres } from '../../test/support/shared-postgres.ts';

export interface ScheduleChaos {
  /** The number of schedules on each database. */
  readonly schedules: number;
  /** The seed of the first schedule. Each further schedule has the next number. */
  readonly seed: number;
  readonly databases: readonly DatabaseKind[];
  /** Prints the whole history of each schedule. */
  readonly isVerbose: boolean;
}

/** Returns true if no schedule violated a guarantee of the registry. */
export async function runSchedules({ schedules, seed, databases, isVerbose }: ScheduleChaos): Promise<boolean> {
  // Each killed process is replaced by a new one. Without the cache, half of its start would be the compilation of its sources.
  process.env['NODE_COMPILE_CACHE'] = path.join(usePrivateTmpdir(), 'compiled');
  await using pool = new ProcessPool();
  const violations: Violation[] = [];
  for (const database of databases) {
    const numbers = Array.from({ length: schedules }, (_unused, index) => seed + index);
    await twoAtATime(numbers, async (number) => {
      const schedule = makeSchedule(number, database);
      const startedAt = performance.now();
      const history = await runSchedule(schedule, pool);
      const found = checkHistory(history);
      const ends = history.entries.flatMap((entry) =>
        entry.kind === 'ended' ? [`${entry.by} ${entry.status}${entry.code === null ? '' : ` (${entry.code})`}`] : [],
      );
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
      console.log(
        `${database} ${number}: ${schedule.moves.map(describeMove).join(', ')}: ${ends.join(', ')}; ${seconds} s`,
      );
      if (isVerbose) console.log(JSON.stringify(history, undefined, 1));
      for (const { promise, what } of found) console.log(`  VIOLATED: ${promise}: ${what}`);
      if (found.length > 0)
        console.log(`  again: npm run chaos -- --schedules 1 --seed ${number} --database ${database}`);
      violations.push(...found);
    });
  }
  await closeSharedPostgres();
  const counts = Map.groupBy(violations, ({ promise }) => promise);
  for (const [promise, { length }] of counts) console.log(`${promise}: violated ${length} times`);
  if (violations.length === 0) console.log('No guarantee was violated.');
  return violations.length === 0;
}
