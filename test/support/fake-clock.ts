import { expect } from 'chai';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';

/** Gives each test of the suite fake timers, and what `more` names, and fails a test that leaves one. Returns the clock of the test that runs. */
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
