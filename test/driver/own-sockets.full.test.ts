import { expect } from 'chai';
import { once } from 'node:events';
import { killProcess } from 'webdriver-supervisor/testing';
import { WebSocket } from 'ws';

import { SessionDeathError, SessionEndedError } from '../../src/driver/death.ts';
import { rejectionOf } from '../support/rejection.ts';
import { localBrowser } from './support/local-browser.ts';
import { openSession } from './support/sessions.ts';

const FOR_EVER = 'new Promise(() => undefined)';

interface Bidi {
  readonly socket: WebSocket;
  send(command: object): Promise<unknown>;
}
interface Cdp {
  readonly _wsConnection: WebSocket;
  send(method: string, params: object): Promise<unknown>;
}

/** Opens a session and both kinds of sockets of an action, each with a pending question. */
async function openAsking() {
  const s = await openSession(await localBrowser(), { browser: { bidi: true } });
  const bidi = (await s.driver.getBidi()) as unknown as Bidi;
  const cdp = (await s.driver.createCDPConnection('page')) as unknown as Cdp;
  const context = await s.driver.getWindowHandle();
  const params = { expression: FOR_EVER, awaitPromise: true, target: { context } };
  const askBidi = () => bidi.send({ method: 'script.evaluate', params });
  const askCdp = () => cdp.send('Runtime.evaluate', { expression: FOR_EVER, awaitPromise: true });
  await cdp.send('Runtime.enable', {});
  return { ...s, bidi, cdp, askBidi, askCdp, asked: [rejectionOf(askBidi()), rejectionOf(askCdp())] };
}

describe('Sockets that an action opened beside its commands', () => {
  it('reject with the death at once, for questions before and after it, and are closed', async () => {
    await using s = await openAsking();
    killProcess(s.session.browserPid!);
    await s.died;
    const diedAt = performance.now();
    for (const error of await Promise.all(s.asked)) {
      expect(error).to.be.instanceOf(SessionDeathError);
      expect((error as SessionDeathError).death.cause).to.equal('browser-gone');
    }
    expect(performance.now() - diedAt).to.be.lessThan(500);
    await s.session.killNow();
    const later = [s.askBidi(), s.askCdp(), s.driver.getBidi(), s.driver.createCDPConnection('page')];
    for (const asked of later) expect(await rejectionOf(asked)).to.be.instanceOf(SessionDeathError);
    for (const socket of [s.bidi.socket, s.cdp._wsConnection])
      if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
  });

  it('also reject with the death of the driver', async () => {
    await using s = await openAsking();
    killProcess(s.session.driverProcess!.pid);
    for (const error of await Promise.all(s.asked)) {
      expect(error).to.be.instanceOf(SessionDeathError);
      expect((error as SessionDeathError).death.cause).to.equal('driver-gone');
    }
  });

  it('reject at a requested end', async () => {
    await using s = await openAsking();
    await s.session.stop();
    const [bidi, cdp] = await Promise.all(s.asked);
    // Selenium's own quit closes this socket, with its own message.
    expect(bidi?.message).to.match(/BiDi connection closed/);
    expect(cdp).to.be.instanceOf(SessionEndedError);
  });

  it('are closed if they are still being opened at the end, also in a session of another program', async () => {
    await using owner = await openSession(await localBrowser());
    const { id, capabilities, endpointUrl: url } = owner.session;
    const s = await openSession({ kind: 'attached', url, sessionId: id, capabilities });
    const opening = [1, 2].map(() => rejectionOf(s.driver.createCDPConnection('page')));
    await s.session.stop();
    for (const error of await Promise.all(opening)) expect(error).to.be.instanceOf(SessionEndedError);
  });

  it('answer as usual while the session is alive, and no connection is made without a request', async () => {
    await using s = await openSession(await localBrowser(), { browser: { bidi: true } });
    expect((await s.driver.getCapabilities()).get('webSocketUrl')).to.match(/^ws:/);
    const bidi = (await s.driver.getBidi()) as unknown as Bidi;
    expect(await s.driver.getBidi()).to.equal(bidi);
    expect(await bidi.send({ method: 'session.status', params: {} })).to.have.property('result');
    expect(await bidi.send({ method: 'no.such', params: {} })).to.have.property('error');
    const cdp = (await s.driver.createCDPConnection('page')) as unknown as Cdp;
    const { result } = (await cdp.send('Runtime.evaluate', { expression: '1 + 1' })) as { result: { result: object } };
    expect(result.result).to.include({ value: 2 });
  });
});
