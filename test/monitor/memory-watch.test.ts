import { expect } from 'chai';

import { measureData, MemoryWatch } from '../../src/monitor/memory-watch.ts';

describe('MemoryWatch', () => {
  it('returns the smallest of the last six samples, so that uncollected garbage does not count', () => {
    const watch = new MemoryWatch();
    // Before it: a garbage collection in between makes the sample smaller.
    const before = measureData();
    const first = watch.sample();
    expect(first).to.be.within(1_000_000, before + 1_000_000);
    let held = Buffer.alloc(100_000_000);
    for (let index = 0; index < 5; index += 1) expect(watch.sample()).to.be.at.most(first);
    expect(watch.sample(), 'what stays for six samples is data').to.be.above(first + 90_000_000);
    held = Buffer.alloc(0);
    expect(held).to.have.length(0);
  });
});
