import { expect } from 'chai';
import { error as seleniumErrors } from 'selenium-webdriver';
import type { ScriptedAnswer } from 'webdriver-supervisor/testing';

import { SessionEndedError } from '../../src/driver/death.ts';
import { openTransport, REASON, rejectionOf } from './support/open-transport.ts';

describe('CommandTransport: the halt', () => {
  it('refuses a command after it, with the very same reason, and nothing reaches the wire (R103)', async () => {
    await using t = await openTransport();
    const before = t.server.requests.length;
    t.halt.abort(REASON);
    expect(await rejectionOf(t.driver.getTitle())).to.equal(REASON);
    expect(await rejectionOf(t.driver.get('http://shop.test/'))).to.equal(REASON);
    expect(t.told).to.deep.equal(['refused', 'refused']);
    expect(t.server.requests).to.have.length(before);
  });

  it('ends what is in flight with the very same reason, at once, without a probe (R105)', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { fault: 'never' });
    const commands = [rejectionOf(t.driver.getTitle()), rejectionOf(t.driver.getTitle())];
    await t.server.waitForRequest('GET /title');
    expect(t.transport.inFlight).to.equal(2);
    t.halt.abort(REASON);
    expect(await Promise.all(commands)).to.deep.equal([REASON, REASON]);
    expect(t.told).to.deep.equal([]);
    expect(t.transport.inFlight).to.equal(0);
  });
});

describe('CommandTransport: proofs of life', () => {
  for (const [command, data, expected] of [
    ['GET /title', undefined, ['alive']],
    ['POST /url', { url: 'http://shop.test/' }, ['alive']],
    ['GET /window/handles', undefined, ['alive']],
    // From the driver's memory, even for a dead browser.
    ['GET /timeouts', undefined, []],
    ['POST /timeouts', { script: 1 }, []],
    ['GET /window', undefined, []],
    ['POST /window', { handle: 'window-1' }, []],
  ] as const) {
    it(`${command} is ${expected.length === 0 ? 'none' : 'one'}`, async () => {
      await using t = await openTransport();
      await t.send(command, data);
      expect(t.told).to.deep.equal(expected);
    });
  }

  it('an answer about the page is one, also when it is an error', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { error: 'unexpected alert open', message: '{Alert text : boo}' });
    expect((await rejectionOf(t.driver.getTitle())).name).to.equal('UnexpectedAlertOpenError');
    expect(t.told).to.deep.equal(['alive']);
  });

  it('an asynchronous script that ends with null is none, for it may end so at a death: a probe is asked', async () => {
    await using t = await openTransport();
    expect(await t.driver.executeAsyncScript('arguments[0](null)')).to.equal(null);
    expect(t.told).to.deep.equal(['probe']);
    t.server.answer('POST /execute/async', { value: 0 });
    await t.driver.executeAsyncScript('arguments[0](0)');
    expect(t.told).to.deep.equal(['probe', 'alive']);
  });

  it('an asynchronous script whose null was a death rejects with its reason', async () => {
    await using t = await openTransport({ probe: (halt) => halt.abort(REASON) });
    expect(await rejectionOf(t.driver.executeAsyncScript('arguments[0](null)'))).to.equal(REASON);
  });
});

describe('CommandTransport: failures', () => {
  it('a deadly answer is a death with its first line, and its caller is told the reason', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { error: 'unknown error', message: 'tab crashed\n  (Session info: chrome=156.0)' });
    expect(await rejectionOf(t.driver.getTitle())).to.equal(REASON);
    expect(t.told).to.deep.equal(['dead: tab-crashed (command) tab crashed']);
  });

  it('a suspicious answer is passed on, once a probe found nothing', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { status: 502, body: '<html>Bad Gateway</html>' });
    expect((await rejectionOf(t.driver.getTitle())).message).to.contain('Bad Gateway');
    expect(t.told).to.deep.equal(['probe']);
  });

  it('a suspicious answer whose probe found a death is told as that', async () => {
    await using t = await openTransport({ probe: (halt) => halt.abort(REASON) });
    t.server.answer('GET /title', { status: 502, body: '' });
    expect(await rejectionOf(t.driver.getTitle())).to.equal(REASON);
  });

  for (const fault of [{ fault: 'reset' }, { cut: 'fin' }, { cut: 'rst' }] satisfies ScriptedAnswer[]) {
    it(`a connection broken by ${JSON.stringify(fault)} is probed once, keeps its code, and nothing is sent again`, async () => {
      await using t = await openTransport();
      t.server.answer('POST /url', fault);
      const rejection = await rejectionOf(t.driver.get('http://shop.test/'));
      expect(rejection).to.have.property('code', 'ECONNRESET');
      expect(t.told).to.deep.equal(['probe']);
      expect(t.server.requests.filter(({ path }) => path.endsWith('/url'))).to.have.length(1);
      expect(t.transport.log.lines().at(-1)).to.match(/^POST \/url ECONNRESET \d+ms$/);
    });
  }
});

describe('CommandTransport: the end that was asked for', () => {
  it('by quit is no death, and later commands are told so', async () => {
    await using t = await openTransport();
    await t.driver.quit();
    expect(t.told).to.deep.equal(['quit']);
    expect(await rejectionOf(t.send('GET /title'))).to.be.instanceOf(SessionEndedError);
    expect(t.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
  });

  it('by a quit whose connection breaks is no death and no probe', async () => {
    await using t = await openTransport();
    t.server.answer('DELETE /', { fault: 'reset' });
    await t.driver.quit().catch(() => undefined);
    expect(t.told).to.deep.equal(['quit']);
  });

  it('by closing the last window is no death, and closing another one is no end', async () => {
    await using t = await openTransport();
    await t.driver.switchTo().newWindow('tab');
    await t.driver.close();
    expect(t.told).not.to.include('quit');
    expect(t.transport.isEnded).to.equal(false);
    await t.driver.switchTo().window('window-1');
    await t.driver.close();
    expect(t.told.at(-1)).to.equal('quit');
    expect(t.transport.isEnded).to.equal(true);
    expect(await rejectionOf(t.driver.getTitle())).to.be.instanceOf(seleniumErrors.NoSuchSessionError);
    await t.driver.quit();
    expect(
      t.server.requests.filter(({ method, path }) => method === 'DELETE' && !path.endsWith('/window')),
    ).to.deep.equal([]);
  });

  it('resolves for a session that is dead, that has ended, and that is being ended, and asks nobody twice', async () => {
    await using dead = await openTransport();
    dead.halt.abort(REASON);
    await dead.driver.quit();
    expect(dead.server.requests.filter(({ method }) => method === 'DELETE')).to.deep.equal([]);
    expect(dead.told).to.deep.equal([]);

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
    expect(ending.told).to.deep.equal(['quit']);
  });

  it('ends what is in flight as ended and not as broken, without a probe', async () => {
    await using t = await openTransport();
    t.server.answer('GET /title', { fault: 'never' });
    const title = rejectionOf(t.driver.getTitle());
    await t.server.waitForRequest('GET /title');
    t.transport.end();
    t.server.dropConnections();
    expect(await title).to.be.instanceOf(SessionEndedError);
    expect(t.told).to.deep.equal([]);
  });
});

describe('CommandTransport: a session that somebody else started', () => {
  const attachTo = { sessionId: 'theirs', capabilities: { browserName: 'chrome', timeouts: { script: 100_000 } } };

  it('is not started again: the first answer is what its owner got', async () => {
    await using t = await openTransport({ attachTo });
    expect((await t.driver.getSession()).getId()).to.equal('theirs');
    expect(t.server.requests).to.have.length(0);
  });

  it('has its own timeouts from the first', async () => {
    await using t = await openTransport({ attachTo });
    expect(t.transport.settings.deadlineFor('POST /execute/sync')).to.equal(110_000);
  });
});

describe('CommandTransport: evidence', () => {
  it('has routes, outcomes and the page, and no ids, no bodies and no secrets', async () => {
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

  it('counts what is in flight and tells how long the oldest has been so', async () => {
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
