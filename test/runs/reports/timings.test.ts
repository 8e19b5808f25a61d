import { expect } from 'chai';
import { useFakeTimers } from 'sinon';

import { RunTimings } from '../../../src/runs/reports/timings.ts';

describe('The timings of a run', () => {
  it('count ended units and stored records in at most 120 buckets, however long the run is', () => {
    using clock = fakeClock();
    const timings = new RunTimings();
    for (let step = 1; step <= 1_000; step += 1) {
      const name = String(step);
      timings.begin(name);
      clock.tick(3_600_000 / 1_000);
      timings.end(name, { id: { batch: null, key: name }, isContainer: false });
      timings.noteRecords(2 * step);
    }
    const { units, records, bucketMs } = timings.throughput;
    expect(units.length).to.equal(Math.floor(3_600_000 / bucketMs) + 1);
    expect(units.length).to.be.within(60, 120);
    expect(total(units)).to.equal(1_000);
    expect(total(records)).to.equal(2_000);
  });

  it('name the ten slowest units, the slowest first, without steps that contain others', () => {
    using clock = fakeClock();
    const timings = new RunTimings();
    timings.begin('whole');
    for (const tookMs of [5, 300, 20, 1, 9, 8, 7, 6, 100, 4, 3, 2]) {
      timings.begin('part');
      clock.tick(tookMs);
      timings.end('part', { id: { batch: 'b', key: String(tookMs) }, isContainer: false });
    }
    timings.end('whole', { id: { batch: null, key: 'whole' }, isContainer: true });
    expect(timings.slowest.map(({ key }) => Number(key))).to.deep.equal([300, 100, 20, 9, 8, 7, 6, 5, 4, 3]);
    expect(timings.slowest[0]).to.deep.equal({ batch: 'b', key: '300', tookMs: 300 });
  });
});

function fakeClock() {
  const clock = useFakeTimers({ toFake: ['Date', 'performance'] });
  return { tick: (ms: number) => void clock.tick(ms), [Symbol.dispose]: () => clock.restore() };
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
