import { expect } from 'chai';
import { error as seleniumErrors } from 'selenium-webdriver';
import type { ScriptedAnswer } from 'webdriver-supervisor/testing';

import { SessionEndedError } from '../../src/driver/death.ts';
import { openTransport, REASON, rejectionOf } from './support/open-transport.ts';

describe('CommandTransport: the halt', () => {
  it('refuses later commands with the same reason, and nothing is sent (R103)', async () => {
    await using t = await openTransport();
    const before = t.server.requests.length;
    t.halt.abort(REASON);
    expect(await rejectionOf(t.driver.getTitle())).to.equal(REASON);
    expect(await rejectionOf(t.driver.get('http://shop.test/'))).to.equal(REASON);
    expect(t.reports).to.deep.equal(['refused', 'refused']);
    expect(t.server.requests).to.have.length(before);
  });

  it('rejects commands in flight with the same reason, at once, without a probe (R105)', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { fault: 'never' });
    const commands = [rejectionOf(t.driver.getTitle()), rejectionOf(t.driver.getTitle())];
    await t.server.waitForRequest('GET /title');
    expect(t.transport.inFlight).to.equal(2);
    t.halt.abort(REASON);
    expect(await Promise.all(commands)).to.deep.equal([REASON, REASON]);
    expect(t.reports).to.deep.equal([]);
    expect(t.transport.inFlight).to.equal(0);
  });
});

describe('CommandTransport: proofs of life', () => {
  for (const [command, data, expected] of [
    ['GET /title', undefined, ['alive']],
    ['POST /url', { url: 'http://shop.test/' }, ['alive']],
    ['GET /window/handles', undefined, ['alive']],
    // The driver answers these from its memory, even for a dead browser.
    ['GET /timeouts', undefined, []],
    ['POST /timeouts', { script: 1 }, []],
    ['GET /window', undefined, []],
    ['POST /window', { handle: 'window-1' }, []],
  ] as const) {
    it(`${expected.length === 0 ? 'exclude' : 'include'} ${command}`, async () => {
      await using t = await openTransport();
      await t.send(command, data);
      expect(t.reports).to.deep.equal(expected);
    });
  }

  it('include an answer about the page, even an error', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { error: 'unexpected alert open', message: '{Alert text : boo}' });
    expect((await rejectionOf(t.driver.getTitle())).name).to.equal('UnexpectedAlertOpenError');
    expect(t.reports).to.deep.equal(['alive']);
  });

  it('do not include an asynchronous script that ends with null, because a death may cause that: a probe follows', async () => {
    await using t = await openTransport();
    expect(await t.driver.executeAsyncScript('arguments[0](null)')).to.equal(null);
    expect(t.reports).to.deep.equal(['probe']);
    t.server.answer('POST /execute/async', { value: 0 });
    await t.driver.executeAsyncScript('arguments[0](0)');
    expect(t.reports).to.deep.equal(['probe', 'alive']);
  });

  it('do not include an asynchronous script whose null was caused by a death: it rejects with the reason', async () => {
    await using t = await openTransport({ probe: (halt) => halt.abort(REASON) });
    expect(await rejectionOf(t.driver.executeAsyncScript('arguments[0](null)'))).to.equal(REASON);
  });
});

describe('CommandTransport: failures', () => {
  it('report a death with the first line of the answer, and the caller gets the reason', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { error: 'unknown error', message: 'tab crashed\n  (Session info: chrome=156.0)' });
    expect(await rejectionOf(t.driver.getTitle())).to.equal(REASON);
    expect(t.reports).to.deep.equal(['dead: tab-crashed (command) tab crashed']);
  });

  it('return a suspicious answer after a probe found nothing', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { status: 502, body: '<html>Bad Gateway</html>' });
    expect((await rejectionOf(t.driver.getTitle())).message).to.contain('Bad Gateway');
    expect(t.reports).to.deep.equal(['probe']);
  });

  it('reject with the death if the probe after a suspicious answer found one', async () => {
    await using t = await openTransport({ probe: (halt) => halt.abort(REASON) });
    t.server.answer('GET /title', { status: 502, body: '' });
    expect(await rejectionOf(t.driver.getTitle())).to.equal(REASON);
  });

  for (const fault of [{ fault: 'reset' }, { cut: 'fin' }, { cut: 'rst' }] satisfies ScriptedAnswer[]) {
    it(`cause one probe after a connection broken by ${JSON.stringify(fault)}, preserve its code, and resend nothing`, async () => {
      await using t = await openTransport();
      t.server.answer('POST /url', fault);
      const rejection = await rejectionOf(t.driver.get('http://shop.test/'));
      expect(rejection).to.have.property('code', 'ECONNRESET');
      expect(t.reports).to.deep.equal(['probe']);
      expect(t.server.requests.filter(({ path }) => path.endsWith('/url'))).to.have.length(1);
      expect(t.transport.log.lines().at(-1)).to.match(/^POST \/url ECONNRESET \d+ms$/);
    });
  }
});

describe('CommandTransport: the requested end', () => {
  it('by quit is not a death, and later commands reject with SessionEndedError', async () => {
    await using t = await openTransport();
    await t.driver.quit();
    expect(t.reports).to.deep.equal(['quit']);
    expect(await rejectionOf(t.send('GET /title'))).to.be.instanceOf(SessionEndedError);
    expect(t.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
  });

  it('by a quit with a broken connection causes neither a death nor a probe', async () => {
    await using t = await openTransport();
    t.server.answer('DELETE /', { fault: 'reset' });
    await t.driver.quit().catch(() => undefined);
    expect(t.reports).to.deep.equal(['quit']);
  });

  it('by closing the last window is not a death, and closing another window does not end it', async () => {
    await using t = await openTransport();
    await t.driver.switchTo().newWindow('tab');
    await t.driver.close();
    expect(t.reports).not.to.include('quit');
    expect(t.transport.isEnded).to.equal(false);
    await t.driver.switchTo().window('window-1');
    await t.driver.close();
    expect(t.reports.at(-1)).to.equal('quit');
    expect(t.transport.isEnded).to.equal(true);
    expect(await rejectionOf(t.driver.getTitle())).to.be.instanceOf(seleniumErrors.NoSuchSessionError);
    await t.driver.quit();
    expect(
      t.server.requests.filter(({ method, path }) => method === 'DELETE' && !path.endsWith('/window')),
    ).to.deep.equal([]);
  });

  it('resolves for a dead, an ended and an ending session, and sends nothing twice', async () => {
    await using dead = await openTransport();
    dead.halt.abort(REASON);
    await dead.driver.quit();
    expect(dead.server.requests.filter(({ method }) => method === 'DELETE')).to.deep.equal([]);
    expect(dead.reports).to.deep.equal([]);

    await using ending = await openTransport();
    using hold = ending.server.hold('DELETE /');
    const first = ending.send('DELETE ');
    await hold.caught;
    const second = ending.send('DELETE ');
    hold.release();
    await first;
    await second;
    await ending.send('DELETE ');
    expect(ending.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
    expect(ending.reports).to.deep.equal(['quit']);
  });

  it('rejects commands in flight with SessionEndedError instead of a connection error, without a probe', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { fault: 'never' });
    const title = rejectionOf(t.driver.getTitle());
    await t.server.waitForRequest('GET /title');
    t.transport.end();
    t.server.dropConnections();
    expect(await title).to.be.instanceOf(SessionEndedError);
    expect(t.reports).to.deep.equal([]);
  });
});

describe('CommandTransport: a session that another client started', () => {
  const attachTo = { sessionId: 'theirs', capabilities: { browserName: 'chrome', timeouts: { script: 100_000 } } };

  it('is not started again: the first answer is the one that its owner got', async () => {
    await using t = await openTransport({ attachTo });
    expect((await t.driver.getSession()).getId()).to.equal('theirs');
    expect(t.server.requests).to.have.length(0);
  });

  it('has its own timeouts from the start', async () => {
    await using t = await openTransport({ attachTo });
    expect(t.transport.settings.deadlineFor('POST /execute/sync')).to.equal(110_000);
  });
});

describe('CommandTransport: evidence', () => {
  it('contains routes, outcomes and the page, but no ids, bodies or secrets', async () => {
    await using t = await openTransport();
    t.server.answer('POST /element', { value: { 'element-6066-11e4-a52e-4f735466cecf': 'f.hunter2.e.1' } });
    t.server.answer(/\/element\/.*\/value$/, { value: null });
    await t.driver.get('https://ann:hunter2@shop.test/login?token=hunter2');
    await t.driver.findElement({ css: '#password' }).sendKeys('hunter2');
    await t.driver.executeScript('return "hunter2"');
    await t.driver.manage().addCookie({ name: 'hunter2', value: 'hunter2' });
    await t.driver.manage().getCookie('hunter2');
    const evidence = JSON.stringify([t.transport.log.lines(), t.transport.settings.url]);
    const { id_: id } = (await t.driver.getSession()) as unknown as { id_: string };
    expect(evidence).not.to.contain('hunter2').and.not.to.contain(id);
    expect(evidence).to.contain('POST /element/{id}/value 200').and.to.contain('GET /cookie/{id} 200');
    expect(t.transport.settings.url).to.equal('https://***@shop.test/login?token=***');
  });

  it('includes the number of commands in flight and the age of the oldest', async () => {
    await using t = await openTransport();
    expect(t.transport.oldestCommandMs).to.equal(null);
    using hold = t.server.hold('GET /title');
    const title = t.driver.getTitle();
    await hold.caught;
    expect(t.transport.inFlight).to.equal(1);
    expect(t.transport.oldestCommandMs).to.be.at.least(0);
    const settled = t.transport.settled;
    hold.release();
    await settled;
    await title;
    expect(t.transport.inFlight).to.equal(0);
  });
});
