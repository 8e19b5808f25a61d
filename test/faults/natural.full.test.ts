import { expect } from 'chai';

import { makeRandom } from '../../scripts/demo-shop/random.ts';
import { NATURAL_CASES, type NaturalCase } from './natural/catalogue.ts';
import { describeMoment, pickStrikes } from './natural/schedule.ts';
import { OutcomeTable } from './natural/table.ts';
import { NATURAL_FAULTS, runTrial, type NaturalFault, type Observation, type Strike } from './natural/trial.ts';
import { twoAtATime } from './natural/two-at-a-time.ts';
import { isAllowed, judge } from './natural/verdict.ts';

const SEED = Number(process.env['NATURAL_SEED'] ?? 1);
/** The number of moments for each fault of an action. Five is thorough, and takes five times as long. */
const MOMENTS = Number(process.env['NATURAL_MOMENTS'] ?? 1);
/**
 * The number of actions that get every fault. Every eighth one of the others gets one fault, in turn; the seed chooses them. With
 * NATURAL_MOMENTS all actions get all faults; `npm run chaos -- --natural` makes random mixtures.
 */
const THOROUGH_ACTIONS = 5;
/** One in so many of the other actions is disturbed. */
const FURTHER_SHARE = 8;
const TRIAL_LIMIT_MS = 120_000;

describe(`Natural actions, disturbed (seed ${SEED})`, () => {
  const table = new OutcomeTable();

  after(() => console.log(`\n${table.toText()}\n`));

  for (const [index, natural] of NATURAL_CASES.entries()) {
    if (!isThorough(index) && index % FURTHER_SHARE !== Math.abs(SEED) % FURTHER_SHARE) continue;
    it(`${natural.name} never loses data without an error (invariant 5)`, async () => {
      const { problems, add } = collect(natural, table);
      const undisturbed = await runTrial(natural.name);
      add(undisturbed);
      const picked = pickStrikes(makeRandom(seedOf(natural.name)), undisturbed, MOMENTS);
      const strikes = picked.filter(({ fault }) => isMet(fault, index));
      // A run that is refused before its first request can't be disturbed.
      if (undisturbed.requestCount > 0)
        await twoAtATime(strikes, async (strike) => add(await runTrial(natural.name, [strike]), strike));
      console.log(`      ${table.describeRow(natural.name)}`);
      expect(problems.join('\n\n')).to.equal('');
    }).timeout(TRIAL_LIMIT_MS * (1 + NATURAL_FAULTS.length * MOMENTS));
  }
});

/** The moments of an action do not depend on which other actions there are. */
function seedOf(action: string): number {
  return Array.from(action, (character) => character.charCodeAt(0)).reduce(
    (seed, code) => Math.imul(seed, 31) + code,
    SEED,
  );
}

function isThorough(index: number): boolean {
  return index < THOROUGH_ACTIONS || process.env['NATURAL_MOMENTS'] !== undefined;
}

function isMet(fault: NaturalFault, index: number): boolean {
  return (
    isThorough(index) || NATURAL_FAULTS.indexOf(fault) === Math.floor(index / FURTHER_SHARE) % NATURAL_FAULTS.length
  );
}

function collect(natural: NaturalCase, table: OutcomeTable) {
  const problems: string[] = [];
  const add = (seen: Observation, strike?: Strike) => {
    const { verdict, reason } = judge(natural, seen);
    const column: NaturalFault | 'undisturbed' = strike?.fault ?? 'undisturbed';
    table.add(natural.name, column, verdict);
    const where = strike === undefined ? '' : ` at ${describeMoment(strike.moment)}`;
    const what = `${natural.name}, ${column}${where}`;
    if (!isAllowed(natural, verdict, { isDisturbed: strike !== undefined }))
      problems.push(`${what}: ${verdict}. ${reason}`);
    if (seen.left.length > 0) problems.push(`${what}: left behind ${seen.left.join(', ')}`);
  };
  return { problems, add };
}
