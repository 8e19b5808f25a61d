import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

/**
 * Fakes the timers, and what `more` names, in each test of the suite. Fails a test that leaves a timer. Returns the current test's clock.
 */
export function useClockInEachTest(...more: 'performance'[]): () => SinonFakeTimers {
  let clock: SinonFakeTimers;
  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', ...more] });
  });
  afterEach(() => {
    expect(clock.countTimers(), 'timers left').to.equal(0);
    clock.restore();
  });
  return () => clock;
}
