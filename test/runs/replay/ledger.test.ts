import { expect } from 'chai';

import { Ledger } from '../../../src/runs/replay/ledger.ts';

describe('Ledger', () => {
  it('counts the steps of a running commit as ended, and the counts add up', () => {
    const ledger = new Ledger();
    const [a, b, c] = ['a', 'b', 'c'].map((key) => ledger.declare({ batch: null, key }));
    for (const entry of [a!, b!]) ledger.begin(entry);
    ledger.end(c!, { status: 'skipped', reason: 'none' });
    const ending = [
      { id: a!.name, status: 'done' },
      { id: b!.name, status: 'failed' },
      { id: c!.name, status: 'skipped' },
      { id: 'of another run', status: 'done' },
    ] as const;
    const before = { total: 3, queued: 0, running: 2, done: 0, failed: 0, cancelled: 0, skipped: 1 };
    expect(ledger.countsAfter(ending)).to.deep.equal({ ...before, running: 0, done: 1, failed: 1 });
    expect(ledger.counts).to.deep.equal(before);
  });
});
