/**
 * Does runs of actions that are written the natural way. The seed and the number of the run determine the action, the faults and their
 * moments.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { findCase, NATURAL_CASES, type NaturalCase } from '../../test/faults/natural/catalogue.ts';
import { describeMoment, pickMoments } from '../../test/faults/natural/schedule.ts';
import { OutcomeTable } from '../../test/faults/natural/table.ts';
import { NATURAL_FAULTS, runTrial, type Observation, type Strike } from '../../test/faults/natural/trial.ts';
import { twoAtATime } from '../../test/faults/natural/two-at-a-time.ts';
import { judge } from '../../test/faults/natural/verdict.ts';
import { makeRandom, pickFrom, randomInteger, type Random } from '../demo-shop/random.ts';

const MAX_FAULTS_PER_RUN = 3;

export interface NaturalChaos {
  readonly runs: number;
  readonly seed: number;
  /** Only this action. Default: all of them. */
  readonly action?: string | undefined;
  /** Only the run with this number. Default: all of them. */
  readonly run?: number | undefined;
}

/** Returns true if no run ended with wrong data and exit code 0, hung, failed without a clear message, or left something behind. */
export async function disturbNaturalActions({ runs, seed, action, run }: NaturalChaos): Promise<boolean> {
  const folder = useOwnTmpdir();
  const cases = action === undefined ? NATURAL_CASES : [findCase(action)];
  const table = new OutcomeTable();
  const undisturbed = new Map<string, Promise<Observation>>();
  const problems: string[] = [];
  const numbers = run === undefined ? Array.from({ length: runs }, (_unused, index) => index + 1) : [run];
  await twoAtATime(numbers, async (number) => {
    const random = makeRandom(Math.imul(seed, 0x9e3779b9) + number);
    const natural = pickFrom(random, cases as [NaturalCase, ...NaturalCase[]]);
    if (!undisturbed.has(natural.name)) undisturbed.set(natural.name, runTrial(natural.name));
    const first = await undisturbed.get(natural.name);
    if (first === undefined) return;
    const strikes = pickStrikes(random, first);
    const seen = first.requestCount === 0 ? first : await runTrial(natural.name, strikes);
    const { verdict, reason } = judge(natural, seen);
    for (const fault of new Set(strikes.map((strike) => strike.fault))) table.add(natural.name, fault, verdict);
    const faults = strikes.map(({ fault, moment }) => `${fault} at ${describeMoment(moment)}`).join(', ');
    const line = `seed ${seed}, run ${number}: ${natural.name}: ${verdict}; ${faults}; ${seen.struck.length} struck`;
    console.log(line);
    if (verdict === 'SILENT' || verdict === 'hung' || verdict === 'unclear')
      problems.push(`${line}\n  ${reason.replaceAll('\n', '\n  ')}`);
    if (seen.left.length > 0) problems.push(`${line}\n  left behind: ${seen.left.join(', ')}`);
  });
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  console.log(`\nEach run is counted in the column of each of its faults.\n${table.toText()}`);
  if (problems.length > 0) console.log(`\n${problems.join('\n')}`);
  return problems.length === 0;
}

function pickStrikes(random: Random, first: Observation): Strike[] {
  const count = randomInteger(random, { min: 1, max: MAX_FAULTS_PER_RUN });
  return pickMoments(random, first, count).map((moment) => ({
    fault: pickFrom(random, NATURAL_FAULTS),
    moment,
    pick: random(),
  }));
}

/** Makes a folder for all temporary files. Programs that are started repeatedly share compiled code there. The caller removes the folder. */
function useOwnTmpdir(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'cn-'));
  chmodSync(folder, 0o711);
  process.env['TMPDIR'] = folder;
  process.env['NODE_COMPILE_CACHE'] = path.join(folder, 'compiled');
  process.env['REGISTRY_URL'] = `sqlite:${path.join(folder, 'registry.db')}`;
  return folder;
}
