import { checkInterleavings } from './interleavings.ts';

describe('Run: random interleavings of steps, batches, saves, failures, skips, deaths, cancels and resumes', () => {
  it('has counts that add up at every observation, no value twice, and the records of all done work (R110)', () =>
    checkInterleavings({ numRuns: 40 }));
});
