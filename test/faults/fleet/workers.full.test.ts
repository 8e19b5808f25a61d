import { expect } from 'chai';

import { disturbFleet } from './chaos.ts';

describe('Three workers, of which one is killed and one is suspended, while PostgreSQL restarts', () => {
  it('leave each record once, in the order of the shards, and the numbers of an undisturbed run', async function () {
    this.timeout(200_000);
    const {
      seconds: _seconds,
      resumed,
      ...result
    } = await disturbFleet({ workers: 3, shards: 20, seed: 1, stepMs: 60 });
    expect(result).to.deep.equal({
      status: 'completed',
      expected: 100,
      records: 100,
      missing: [],
      doubled: [],
      areCountsRight: true,
      inOrder: true,
    });
    expect(resumed).to.be.greaterThan(0);
  });
});
