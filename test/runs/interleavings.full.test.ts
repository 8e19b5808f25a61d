import { checkInterleavings } from './interleavings.ts';

describe('Run: many random interleavings', () => {
  it('keeps counts that add up at every observation, no value twice, and the records of what is done (R110)', () =>
    checkInterleavings({ numRuns: 600 }));
});
