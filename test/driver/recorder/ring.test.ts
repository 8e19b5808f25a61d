import { expect } from 'chai';

import { Ring } from '../../../src/driver/recorder/ring.ts';

interface Entry {
  readonly atMs: number;
  readonly size: number;
}

describe('A ring of recorded entries', () => {
  const at = (ring: Ring<Entry>, nowMs = 1_000) => ring.list(nowMs).map(({ atMs }) => atMs);
  const fill = (ring: Ring<Entry>, ...entries: readonly (readonly [atMs: number, size: number])[]) => {
    for (const [atMs, size] of entries) ring.add({ atMs, size });
    return ring;
  };

  it('holds the newest entries up to its number', () => {
    const ring = new Ring<Entry>({ maxAgeMs: 1_000, maxCount: 2 });
    expect(at(fill(ring, [1, 0], [2, 0], [3, 0]))).to.deep.equal([2, 3]);
  });

  it('holds the newest entries up to their age, measured at the time of the question', () => {
    const ring = new Ring<Entry>({ maxAgeMs: 100, maxCount: 10 });
    fill(ring, [1, 0], [50, 0], [120, 0]);
    expect(at(ring, 120)).to.deep.equal([50, 120]);
    expect(at(ring, 200)).to.deep.equal([120]);
    expect(at(ring, 221)).to.deep.equal([]);
  });

  it('holds the newest entries up to their size, and none that is too large by itself', () => {
    const ring = new Ring<Entry>({ maxAgeMs: 1_000, maxCount: 10, maxSize: 100, sizeOf: ({ size }) => size });
    expect(at(fill(ring, [1, 40], [2, 40], [3, 40]))).to.deep.equal([2, 3]);
    expect(at(fill(ring, [4, 101]))).to.deep.equal([]);
    expect(at(fill(ring, [5, 100]))).to.deep.equal([5]);
  });
});
