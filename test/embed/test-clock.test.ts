import { expect } from 'chai';
import Mocha from 'mocha';
import { useFakeTimers, type SinonFakeTimers } from 'sinon';
import { TestClock } from '../../src/embed/embed.ts';
import { rejectionOf } from '../support/rejection.ts';

const forever = () => new Promise<never>(() => undefined);

describe('TestClock', () => {
  let time: SinonFakeTimers;
  let runnable: Mocha.Runnable;

  beforeEach(() => {
    time = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    runnable = new Mocha.Runnable('shows');
    runnable.timeout(100);
  });

  afterEach(() => time.restore());

  const startClock = () => {
    const clock = new TestClock(runnable);
    clock.pause();
    return clock;
  };

  it('ends work that takes longer than the limit with mocha’s words and code', async () => {
    const error = rejectionOf(startClock().time(forever));
    time.tick(100);
    expect(await error).to.include({ code: 'ERR_MOCHA_TIMEOUT', timeout: 100 });
    expect((await error).message).to.match(/^Timeout of 100ms exceeded\./);
  });

  it('counts no time while it is paused, and adds that to the limit', async () => {
    const clock = startClock();
    time.tick(5_000);
    clock.pause();
    time.tick(5_000);
    clock.resume();
    expect(await clock.time(async () => runnable.timeout())).to.equal(10_100);
    time.tick(20_000);
    clock.resume();
    expect(runnable.timeout()).to.equal(30_100);
  });

  it('follows a limit that the test sets, and no limit', async () => {
    const error = rejectionOf(startClock().time(forever));
    runnable.timeout(0);
    time.tick(1_000);
    runnable.timeout(50);
    runnable.resetTimeout();
    time.tick(50);
    expect((await error).message).to.match(/^Timeout of 50ms exceeded\./);
  });

  it('ends work with an error that no code caught', async () => {
    const uncaught = new Error('uncaught');
    const error = rejectionOf(startClock().time(forever));
    runnable.callback?.(uncaught);
    expect(await error).to.equal(uncaught);
  });
});
