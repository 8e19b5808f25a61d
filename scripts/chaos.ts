/**
 * `npm run chaos -- [--faults 200] [--seed 1]`: sessions of real runs die at random moments, until so many faults have happened.
 * `npm run chaos -- --natural 200 [--seed 1] [--action NAME] [--run N]`: so many runs of natural actions, each with one to three
 * faults; with `--run`, only that one of them.
 * Exit code 1 when anything is amiss.
 */
import { parseArgs } from 'node:util';

import { disturbNaturalActions } from './chaos/natural.ts';
import { strikeSessions } from './chaos/sessions.ts';

const { values: flags } = parseArgs({
  options: {
    faults: { type: 'string', default: '200' },
    natural: { type: 'string' },
    action: { type: 'string' },
    run: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const seed = Number(flags.seed);
const isWell =
  flags.natural === undefined
    ? await strikeSessions({ faults: toCount('faults', flags.faults), seed })
    : await disturbNaturalActions({
        runs: toCount('natural', flags.natural),
        seed,
        action: flags.action,
        run: flags.run === undefined ? undefined : toCount('run', flags.run),
      });
process.exitCode = isWell ? 0 : 1;

function toCount(flag: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${flag} must be a whole number of at least 1.`);
  return count;
}
