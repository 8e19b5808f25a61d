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

  const begin = ({ isWorking = false, isAlive = true, probe = (): Promise<unknown> => Promise.resolve() } = {}) => {
    const work = { isInFlight: isWorking };
    const spied = spy(async (_options: { isUrgent: boolean }) => {
      await probe();
      if (isAlive) heartbeat.beat();
      return isAlive;
    });
    const heartbeat = new Heartbeat({ intervalMs: INTERVAL_MS, isWorking: () => work.isInFlight, probe: spied });
    return { heartbeat, work, probe: spied };
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

  it('probes once per second of silence while work is in flight, urgently', async () => {
    const { heartbeat, probe } = begin({ isWorking: true });
    await clock.tickAsync(999);
    expect(probe.callCount).to.equal(0);
    await clock.tickAsync(1);
    expect(probe.args).to.deep.equal([[{ isUrgent: true }]]);
    await clock.tickAsync(10_000);
    expect(probe.callCount).to.equal(11);
    heartbeat.stop();
  });

  it('probes within a second after work begins on a silent session', async () => {
    const { heartbeat, work, probe } = begin();
    await clock.tickAsync(2_500);
    work.isInFlight = true;
    await clock.tickAsync(1_000);
    expect(probe.args).to.deep.equal([[{ isUrgent: true }]]);
    heartbeat.stop();
  });

  it('probes once per interval again when the work has ended', async () => {
    const { heartbeat, work, probe } = begin({ isWorking: true });
    await clock.tickAsync(3_000);
    work.isInFlight = false;
    await clock.tickAsync(INTERVAL_MS - 1);
    expect(probe.callCount).to.equal(3);
    await clock.tickAsync(1);
    expect(probe.args.at(-1)).to.deep.equal([{ isUrgent: false }]);
    heartbeat.stop();
  });

  it('does not probe a session with work more often than once per interval if nothing is known about it', async () => {
    const { heartbeat, probe } = begin({ isWorking: true, isAlive: false });
    await clock.tickAsync(1_000 + INTERVAL_MS * 3);
    expect(probe.callCount).to.equal(4);
    heartbeat.stop();
  });

  it('never probes a session with work whose commands succeed', async () => {
    const { heartbeat, probe } = begin({ isWorking: true });
    for (let count = 0; count < 100; count++) {
      await clock.tickAsync(900);
      heartbeat.beat();
    }
    expect(probe.callCount).to.equal(0);
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
    const { heartbeat, probe } = begin({ probe: () => answer.promise });
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
    const { heartbeat, probe } = begin({ probe: () => answer.promise });
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
