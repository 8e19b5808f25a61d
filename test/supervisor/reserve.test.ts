import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import { waitUntilGone } from 'webdriver-supervisor/testing';
import { Reserve } from '../../src/supervisor/reserve.ts';
import { driverProgramFor } from '../driver/support/programs.ts';
import { LogWatch } from '../support/log-watch.ts';

describe('Reserve', () => {
  it('ends what waits if no session begins within a minute after the last one, and only then', async () => {
    await using program = await driverProgramFor(12345);
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const watch = new LogWatch();
    const reserve = new Reserve({}, watch.log);
    try {
      const waiting = watch.next('waits for', 0);
      reserve.driver!.beginSoon({ driverPath: program.path });
      await clock.tickAsync(1_000);
      const { pid } = await waiting;
      reserve.expireSoon();
      await clock.tickAsync(59_999);
      reserve.keep();
      await clock.tickAsync(60_000);
      expect(reserve.driver!.isWaiting).to.equal(true);
      reserve.expireSoon();
      await clock.tickAsync(60_000);
      expect(reserve.driver!.isWaiting).to.equal(false);
      await waitUntilGone([Number(pid)]);
    } finally {
      clock.restore();
      await reserve.stop();
    }
  });
});
