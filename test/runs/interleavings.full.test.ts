import { checkInterleavings } from './interleavings.ts';

describe('Run: many random interleavings', () => {
  it('has counts that add up at every observation, no value twice, and the records of all done work (R110)', () =>
    checkInterleavings({ numRuns: 600 }));
});
