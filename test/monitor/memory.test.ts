import { expect } from 'chai';

import { measureData, MemoryWatch } from '../../src/monitor/memory.ts';

describe('MemoryWatch', () => {
  it('returns the smallest of the last six samples, so that uncollected garbage does not count', () => {
    const watch = new MemoryWatch();
    const first = watch.look();
    expect(first).to.be.within(1_000_000, measureData() + 1_000_000);
    let held = Buffer.alloc(100_000_000);
    for (let look = 0; look < 5; look += 1) expect(watch.look()).to.be.at.most(first);
    expect(watch.look(), 'what stays for six looks is data').to.be.above(first + 90_000_000);
    held = Buffer.alloc(0);
    expect(held).to.have.length(0);
  });
});
