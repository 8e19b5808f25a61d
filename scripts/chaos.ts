/**
 * `npm run chaos -- [--faults 200] [--seed 1] [--standby]`: kills sessions of real runs at random moments until this number of faults has happened.
 * With `--standby`, the runs have a standby.
 * `npm run chaos -- --natural 200 [--seed 1] [--action NAME] [--run N]`: does this number of runs of natural actions, each with one to
 * three faults. With `--run`, it does only the run with that number.
 * `npm run chaos -- --programs 50 [--seed 1] [--registry URL]`: does this number of runs whose whole program is killed and resumed.
 * `npm run chaos -- --schedules 100 [--seed 1] [--database sqlite|postgres|both] [--verbose]`: does this number of schedules of processes
 * that compete for one run, each with its own seed. It prints each violation with the command that repeats its schedule. With
 * `--verbose` it prints the whole history.
 * `npm run chaos -- --pressure 10000`: makes this number of probes of healthy sessions on a machine with a load of 30, which takes several
 * minutes.
 * `npm run chaos -- --grid [NAME] [--browser firefox]`: loses sessions on a real Selenium Grid in each way, or in those whose names contain NAME, while the
 * session is idle, runs a command, and does API calls. It takes about 20 minutes, and needs Java and Maven. With `--losses 20
 * [--seed 1]`, it does one run with four sessions on the Grid, of which this number is lost at random moments. With `--slow`, its
 * nodes stop ten times for 4 s on a machine with a load of 30.
 *
 * `npm run chaos -- --workers 3 [--shards 60] [--seed 1]`: does one run with this number of worker processes, of which one is killed and one
 * suspended beyond its lease, while PostgreSQL restarts. At least three workers are needed.
 *
 * The exit code is 1 if a problem was found.
 */
import { parseArgs } from 'node:util';

import { disturbWorkers } from './chaos/fleet.ts';
import { loseSessions, loseSessionsOfRun } from './chaos/grid.ts';
import { disturbNaturalActions } from './chaos/natural.ts';
import { probeUnderPressure } from './chaos/pressure.ts';
import { killPrograms } from './chaos/programs.ts';
import { runSchedules } from './chaos/schedules.ts';
import { strikeSessions } from './chaos/sessions.ts';
import { slowDownGrid } from './chaos/slow-grid.ts';
import type { GridBrowser } from './grid/open-grid.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    faults: { type: 'string', default: '200' },
    natural: { type: 'string' },
    programs: { type: 'string' },
    registry: { type: 'string' },
    schedules: { type: 'string' },
    database: { type: 'string', default: 'both' },
    verbose: { type: 'boolean', default: false },
    pressure: { type: 'string' },
    action: { type: 'string' },
    run: { type: 'string' },
    workers: { type: 'string' },
    shards: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    standby: { type: 'boolean', default: false },
    grid: { type: 'boolean', default: false },
    losses: { type: 'string' },
    browser: { type: 'string', default: 'chrome' },
    slow: { type: 'boolean', default: false },
  },
});
const seed = Number(flags.seed);
process.exitCode = (await run()) ? 0 : 1;

function run(): Promise<boolean> {
  const { natural, programs, pressure, registry, action, schedules, verbose: isVerbose } = flags;
  if (flags.grid && flags.losses !== undefined)
    return loseSessionsOfRun({ losses: toCount('losses', flags.losses), seed });
  if (flags.grid && flags.slow) return slowDownGrid();
  if (flags.grid) return loseSessions({ only: positionals[0], browser: toBrowser() });
  if (flags.workers !== undefined)
    return disturbWorkers({
      workers: toCount('workers', flags.workers),
      shards: toCount('shards', flags.shards),
      seed,
    });
  if (pressure !== undefined) return probeUnderPressure({ probes: toCount('pressure', pressure) });
  if (schedules !== undefined)
    return runSchedules({ schedules: toCount('schedules', schedules), seed, databases: toDatabases(), isVerbose });
  if (programs !== undefined) return killPrograms({ runs: toCount('programs', programs), seed, registry });
  if (natural === undefined)
    return strikeSessions({ faults: toCount('faults', flags.faults), seed, standby: flags.standby });
  const number = flags.run === undefined ? undefined : toCount('run', flags.run);
  return disturbNaturalActions({ runs: toCount('natural', natural), seed, action, run: number });
}

function toCount(flag: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${flag} must be a whole number of at least 1.`);
  return count;
}

function toBrowser(): GridBrowser {
  const { browser } = flags;
  if (browser === 'chrome' || browser === 'firefox') return browser;
  throw new Error('--browser must be chrome or firefox.');
}

function toDatabases(): readonly ('sqlite' | 'postgres')[] {
  const { database } = flags;
  if (database === 'both') return ['sqlite', 'postgres'];
  if (database === 'sqlite' || database === 'postgres') return [database];
  throw new Error('--database must be sqlite, postgres or both.');
}
