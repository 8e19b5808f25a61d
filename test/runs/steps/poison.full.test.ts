import { expect } from 'chai';

import { runScripted } from '../../support/scripted-run.ts';

describe('Run: an item that kills the session which it shares', () => {
  it('is given up after six deaths, and the run continues', async () => {
    let begun = 0;
    const { outcome } = await runScripted({
      run: async ({ batch }, { die }) => {
        await batch(
          'b',
          ['bad', 'good', 'fine'],
          async (item) => {
            if (item !== 'bad') return;
            begun += 1;
            await die();
          },
          { key: (item) => item, concurrency: 3 },
        );
      },
    });
    expect(begun).to.equal(6);
    expect(outcome).to.include({ status: 'partial', sessions: 7 });
    expect(outcome.counts).to.include({ total: 3, done: 2, failed: 1 });
  });
});
