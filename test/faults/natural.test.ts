import { expect } from 'chai';

import { findCase } from './natural/catalogue.ts';
import { runTrial, type Strike } from './natural/trial.ts';
import { judge } from './natural/verdict.ts';

describe('Natural actions, disturbed once', () => {
  const trials: readonly (readonly [action: string, strike: Strike])[] = [
    ['listing-then-api', { fault: 'program-killed', moment: { request: 9, phase: 'answered' }, pick: 0 }],
  ];

  for (const [action, strike] of trials) {
    it(`${action} has all its data after ${strike.fault}, and leaves nothing behind (law 5, law 6)`, async () => {
      const seen = await runTrial(action, [strike]);
      expect(judge(findCase(action), seen)).to.deep.equal({ verdict: 'complete', reason: '' });
      expect(seen.struck).to.deep.equal([strike.fault]);
      expect(seen.left).to.deep.equal([]);
    });
  }
});
