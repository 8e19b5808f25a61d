/** Kills, suspends and disconnects workers of one run, and compares the union of their records with that of an undisturbed run. */
import { disturbFleet, isExact } from '../../test/faults/fleet/chaos.ts';

export interface WorkerChaos {
  readonly workers: number;
  readonly shards: number;
  readonly seed: number;
}

/** Returns true if the union is exact. */
export async function disturbWorkers({ workers, shards, seed }: WorkerChaos): Promise<boolean> {
  const result = await disturbFleet({ workers, shards, seed, note: (text) => console.log(`  ${text}`) });
  const { missing, doubled, seconds, ...rest } = result;
  console.table({
    workers,
    shards,
    seed,
    ...rest,
    missing: missing.length,
    doubled: doubled.length,
    seconds: Math.round(seconds),
  });
  const isRight = isExact(result);
  console.log(isRight ? 'The union is exact; nothing is twice on record.' : 'The union is wrong.');
  return isRight;
}
