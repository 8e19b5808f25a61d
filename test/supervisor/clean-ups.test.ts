import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import { silentLog } from '../../src/core/log.ts';
import { CleanUps } from '../../src/supervisor/clean-ups.ts';

describe('CleanUps', () => {
  it('are settled when all of them have ended, those of earlier sessions too; a failure is logged once', async () => {
    const errors: string[] = [];
    const cleanUps = new CleanUps({ log: { ...silentLog, error: (message) => void errors.push(message) } });
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    cleanUps.add(first.promise);
    cleanUps.add(second.promise);
    const order: string[] = [];
    const settled = cleanUps.settled().then(() => order.push('settled'));
    second.reject(new Error('the folder is busy'));
    await second.promise.catch(() => order.push('second'));
    order.push('first');
    first.resolve();
    await settled;
    expect(order).to.deep.equal(['second', 'first', 'settled']);
    expect(errors).to.deep.equal(['The cleanup after a browser session failed']);
  });

  it('are waited for at most 15 s each', async () => {
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const cleanUps = new CleanUps({ log: silentLog });
      cleanUps.add(new Promise(() => undefined));
      const settled = cleanUps.settled();
      await clock.tickAsync(15_000);
      await settled;
      expect(clock.countTimers()).to.equal(0);
    } finally {
      clock.restore();
    }
  });
});
