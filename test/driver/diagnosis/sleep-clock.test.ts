import { expect } from 'chai';
import { SleepClock } from '../../../src/driver/diagnosis/sleep-clock.ts';

describe('SleepClock', () => {
  it('reads the clocks once for all sessions that accept an older reading, and again for one that does not', () => {
    let readings = 0;
    const clock = new SleepClock(() => (readings += 1));
    const first = clock.read();
    expect(clock.read(60_000)).to.equal(first);
    expect(clock.read(60_000)).to.equal(first);
    expect(readings).to.equal(1);
    expect(clock.read()).not.to.equal(first);
    expect(readings).to.equal(2);
  });

  it('shows a sleep of the machine as a growing lead', () => {
    let sleptMs = 0;
    const clock = new SleepClock(() => performance.now() + sleptMs);
    const before = clock.read();
    sleptMs = 90_000;
    const after = clock.read();
    expect(after.minAheadMs - before.maxAheadMs).to.be.within(89_000, 90_000);
  });
});
