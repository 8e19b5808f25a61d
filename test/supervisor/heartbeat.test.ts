import { expect } from 'chai';
import { spy, useFakeTimers, type SinonFakeTimers } from 'sinon';

import { Heartbeat } from '../../src/supervisor/heartbeat.ts';

const INTERVAL_MS = 5_000;

describe('Heartbeat: probes of silent sessions (R101)', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });

  afterEach(() => clock.restore());

  const begin = (probe: () => Promise<void> = () => Promise.resolve()) => {
    const spied = spy(probe);
    return { heartbeat: new Heartbeat({ intervalMs: INTERVAL_MS, probe: spied }), probe: spied };
  };

  it('probes once per interval of silence (R101)', async () => {
    const { heartbeat, probe } = begin();
    await clock.tickAsync(INTERVAL_MS - 1);
    expect(probe.callCount).to.equal(0);
    await clock.tickAsync(1);
    expect(probe.callCount).to.equal(1);
    await clock.tickAsync(INTERVAL_MS * 3);
    expect(probe.callCount).to.equal(4);
    heartbeat.stop();
  });

  it('never holds more than one timer, however many beats there are', async () => {
    const { heartbeat } = begin();
    for (let count = 0; count < 1_000; count++) {
      heartbeat.beat();
      if (count % 100 === 0) await clock.tickAsync(700);
      expect(clock.countTimers()).to.equal(1);
    }
    heartbeat.stop();
    expect(clock.countTimers()).to.equal(0);
  });

  it('is delayed by a beat: the probe comes one interval after the last beat', async () => {
    const { heartbeat, probe } = begin();
    await clock.tickAsync(INTERVAL_MS - 1_000);
    heartbeat.beat();
    await clock.tickAsync(INTERVAL_MS - 1);
    expect(probe.callCount).to.equal(0);
    await clock.tickAsync(1);
    expect(probe.callCount).to.equal(1);
    heartbeat.stop();
  });

  it('never probes a session that beats all the time', async () => {
    const { heartbeat, probe } = begin();
    for (let second = 0; second < 60; second++) {
      await clock.tickAsync(1_000);
      heartbeat.beat();
    }
    expect(probe.callCount).to.equal(0);
    heartbeat.stop();
  });

  it('does not begin a probe while one is unanswered', async () => {
    const answer = Promise.withResolvers<void>();
    const { heartbeat, probe } = begin(() => answer.promise);
    await clock.tickAsync(INTERVAL_MS * 10);
    expect(probe.callCount).to.equal(1);
    expect(clock.countTimers()).to.equal(0);
    answer.resolve();
    await clock.tickAsync(INTERVAL_MS);
    expect(probe.callCount).to.equal(2);
    heartbeat.stop();
  });

  it('sets no further timer when it is stopped during a probe', async () => {
    const answer = Promise.withResolvers<void>();
    const { heartbeat, probe } = begin(() => answer.promise);
    await clock.tickAsync(INTERVAL_MS);
    heartbeat.stop();
    answer.resolve();
    await clock.tickAsync(INTERVAL_MS * 3);
    expect(probe.callCount).to.equal(1);
    expect(clock.countTimers()).to.equal(0);
  });

  it('stays stopped when a late beat comes, and may be stopped twice', async () => {
    const { heartbeat, probe } = begin();
    heartbeat.stop();
    heartbeat.beat();
    heartbeat.stop();
    await clock.tickAsync(INTERVAL_MS * 3);
    expect(probe.callCount).to.equal(0);
  });
});
