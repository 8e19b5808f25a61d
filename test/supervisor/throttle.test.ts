import { expect } from 'chai';
import { spy, useFakeTimers, type SinonFakeTimers } from 'sinon';

import { Throttle } from '../../src/supervisor/restore/throttle.ts';

describe('Throttle', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });

  afterEach(() => clock.restore());

  it('does its work once in a later turn, however often it is requested within an interval', () => {
    const work = spy();
    const throttle = new Throttle({ work, intervalMs: 1_000 });
    for (let count = 0; count < 100; count += 1) throttle.ask();
    expect(work.callCount).to.equal(0);
    clock.tick(0);
    expect(work.callCount).to.equal(1);
    for (let count = 0; count < 100; count += 1) throttle.ask();
    clock.tick(999);
    expect(work.callCount).to.equal(1);
    clock.tick(1);
    expect(work.callCount).to.equal(2);
    clock.tick(10_000);
    expect(work.callCount).to.equal(2);
  });

  it('drops requested work when it is stopped, and accepts new requests', () => {
    const work = spy();
    const throttle = new Throttle({ work, intervalMs: 1_000 });
    throttle.ask();
    throttle.stop();
    clock.tick(5_000);
    expect(work.callCount).to.equal(0);
    throttle.ask();
    clock.tick(0);
    expect(work.callCount).to.equal(1);
  });
});
