import { expect } from 'chai';

import { CommandTimeoutError } from '../../src/driver/death.ts';
import { useClockInEachTest } from '../support/fake-clock.ts';
import { COMMAND_TIMEOUT_MS, openTransport, REASON, rejectionOf } from './support/open-transport.ts';

const GRACE_MS = 3_000;

describe('CommandTransport: deadlines', () => {
  const clock = useClockInEachTest('performance');

  it('ends a command with CommandTimeoutError if it returns after its page was freed, and the session stays alive', async () => {
    await using t = await openTransport();
    await t.driver.switchTo().window('window-1');
    using hold = t.server.hold('GET /title');
    const title = rejectionOf(t.driver.getTitle());
    await hold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS - 1);
    expect(t.reports).to.deep.equal([]);
    await clock().tickAsync(1);
    expect(t.reports).to.deep.equal(['free window-1']);
    hold.release();
    expect(await title)
      .to.be.instanceOf(CommandTimeoutError)
      .with.property('message')
      .that.contains('GET /title');
    expect(await t.driver.getCurrentUrl()).to.equal('about:blank');
    expect(t.reports).to.deep.equal(['free window-1', 'alive']);
  });

  it('declares the session frozen if the command does not end even then', async () => {
    await using t = await openTransport();
    using hold = t.server.hold('GET /title');
    const title = rejectionOf(t.driver.getTitle());
    await hold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS + GRACE_MS);
    expect(await title).to.equal(REASON);
    expect(t.reports).to.have.length(3);
    expect(t.reports[2]).to.match(/^dead: frozen \(deadline\) GET \/title was not answered within 20 s, nor 3 s after/);
  });

  it('declares no frozen session if the browser and the driver answer, but does so at the second such command', async () => {
    await using t = await openTransport({ probe: () => true });
    await t.driver.get('http://shop.test/list?token=secret');
    t.reports.length = 0;
    using hold = t.server.hold('GET /title');
    const title = rejectionOf(t.driver.getTitle());
    await hold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS + GRACE_MS);
    expect(await title)
      .to.be.instanceOf(CommandTimeoutError)
      .with.property('message')
      .that.matches(
        /^The command GET \/title on the page http:\/\/shop\.test\/list\?token=\S+ did not finish within 20 s/,
      )
      .and.does.not.contain('secret');
    expect(t.reports).to.deep.equal(['free null', 'probe']);
    using urlHold = t.server.hold('GET /url');
    const url = rejectionOf(t.driver.getCurrentUrl());
    await urlHold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS + GRACE_MS);
    expect(await url).to.equal(REASON);
    expect(t.reports.at(-1)).to.match(/^dead: frozen \(deadline\)/);
  });

  it('does not delay later commands if only the answer was lost', async () => {
    await using t = await openTransport({ probe: () => true });
    for (let round = 1; round <= 2; round += 1) {
      const hold = t.server.hold('GET /title');
      const title = rejectionOf(t.driver.getTitle());
      await hold.caught;
      const url = t.driver.getCurrentUrl();
      await clock().tickAsync(COMMAND_TIMEOUT_MS + GRACE_MS);
      expect(await title).to.be.instanceOf(CommandTimeoutError);
      expect(await url).to.equal('about:blank');
      hold.release();
    }
    expect(t.reports.filter((word) => word.startsWith('dead'))).to.deep.equal([]);
  });

  it('frees a busy page after a timeout of the driver itself, and the message names the page', async () => {
    await using t = await openTransport();
    await t.driver.switchTo().window('window-1');
    t.server.answer('POST /url', { error: 'timeout', message: 'timeout: renderer\n  (Session info: x)' });
    const error = await rejectionOf(t.driver.get('http://user:word@shop.test/loop'));
    expect(error).to.have.property('name', 'TimeoutError');
    expect(error.message).to.match(
      /^timeout: renderer \(page: http:\/\/\S*shop\.test\/loop\)\n {2}\(Session info: x\)$/,
    );
    expect(error.message).not.to.contain('word');
    expect(t.reports).to.deep.equal(['alive', 'free window-1 if it is busy']);
  });

  it('probes after a connection that breaks after the deadline', async () => {
    await using t = await openTransport();
    using hold = t.server.hold('GET /title');
    t.server.answer('GET /title', { fault: 'reset' });
    const title = rejectionOf(t.driver.getTitle());
    await hold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS);
    hold.release();
    expect(await title).to.have.property('code', 'ECONNRESET');
    expect(t.reports).to.deep.equal(['free null', 'probe']);
  });

  it('declares a death instead of a timeout if the answer after the deadline reveals one', async () => {
    await using t = await openTransport();
    using hold = t.server.hold('GET /title');
    t.server.answer('GET /title', { error: 'unknown error', message: 'tab crashed' });
    const title = rejectionOf(t.driver.getTitle());
    await hold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS);
    hold.release();
    expect(await title).to.equal(REASON);
    expect(t.reports.at(-1)).to.equal('dead: tab-crashed (command) tab crashed');
  });

  it("uses the session's own timeout from POST /timeouts plus 10 s", async () => {
    await using t = await openTransport();
    await t.driver.manage().setTimeouts({ pageLoad: 60_000 });
    using hold = t.server.hold('POST /url');
    const navigation = rejectionOf(t.driver.get('http://shop.test/'));
    await hold.caught;
    await clock().tickAsync(69_999);
    expect(t.reports).to.deep.equal([]);
    await clock().tickAsync(1);
    expect(t.reports).to.deep.equal(['free null']);
    hold.release();
    expect(await navigation).to.be.instanceOf(CommandTimeoutError);
  });

  it('counts the time of a queued command from the end of the previous one: no false death (invariant 3)', async () => {
    await using t = await openTransport();
    await t.driver.manage().setTimeouts({ pageLoad: 60_000 });
    using navigationHold = t.server.hold('POST /url');
    using titleHold = t.server.hold('GET /title');
    const navigation = t.driver.get('http://shop.test/');
    await navigationHold.caught;
    const title = rejectionOf(t.driver.getTitle());
    await clock().tickAsync(60_000);
    expect(t.reports).to.deep.equal([]);
    navigationHold.release();
    await navigation;
    await titleHold.caught;
    await clock().tickAsync(COMMAND_TIMEOUT_MS - 1);
    expect(t.reports).to.deep.equal(['alive']);
    await clock().tickAsync(1 + GRACE_MS);
    expect(await title).to.equal(REASON);
  });

  it('uses one timer for all commands, and none after the session has ended', async () => {
    await using t = await openTransport();
    await t.driver.getTitle();
    t.server.answer('GET /title', { fault: 'never' });
    const title = rejectionOf(t.driver.getTitle());
    await t.server.waitForRequest('GET /title', { count: 2 });
    t.halt.abort(REASON);
    await title;
    expect(clock().countTimers()).to.equal(1);
    t.transport.end();
    expect(clock().countTimers()).to.equal(0);
  });
});
