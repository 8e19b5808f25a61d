import { once } from 'node:events';

import { expect } from 'chai';
import { SessionSupervisor, type SessionDeathError } from 'webdriver-supervisor';
import { freeze, killProcess, openRecordingProxy, unfreeze } from 'webdriver-supervisor/testing';

import { startRealDriver } from '../support/real-driver.ts';
import { send } from '../support/send.ts';

const HEARTBEAT = { heartbeatIntervalMs: 300, heartbeatTimeoutMs: 700 };

/** Capabilities of an endpoint that offers BiDi and no DevTools, as a Grid with Firefox does. */
async function startBidiSession(url: string): Promise<{ id: string; browserPid: number; capabilities: object }> {
  const args = [
    '--headless=new',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
  ];
  const options = { args: process.getuid?.() === 0 ? [...args, '--no-sandbox'] : args };
  const { json } = await send(`${url}/session`, {
    method: 'POST',
    body: { capabilities: { alwaysMatch: { webSocketUrl: true, 'goog:chromeOptions': options } } },
  });
  const { sessionId, capabilities } = json.value;
  return {
    id: sessionId,
    browserPid: capabilities['goog:processID'],
    capabilities: { browserName: 'chrome', webSocketUrl: capabilities.webSocketUrl, timeouts: capabilities.timeouts },
  };
}

describe('A session on an endpoint that is not ours', () => {
  it('is declared dead by its BiDi socket if there is no DevTools', async () => {
    await using driver = await startRealDriver();
    const { id, browserPid, capabilities } = await startBidiSession(driver.url);
    await using supervisor = await SessionSupervisor.attach(driver.url, id, capabilities);
    const halted = once(supervisor.signal, 'abort');
    killProcess(browserPid);
    await halted;
    const { death } = supervisor.signal.reason as SessionDeathError;
    // With BiDi the driver deletes the session itself, and then no longer has the reason.
    expect(['browser-gone', 'session-removed']).to.include(death.cause);
    expect(death.detectedBy).to.equal('bidi');
  });

  it('is probed by its window handles while idle, and declared frozen, if there is no socket', async () => {
    await using driver = await startRealDriver();
    const { id, browserPid } = await startBidiSession(driver.url);
    await using supervisor = await SessionSupervisor.attach(driver.url, id, { browserName: 'chrome' }, HEARTBEAT);
    const halted = once(supervisor.signal, 'abort');
    await freeze(browserPid);
    await halted;
    unfreeze(browserPid);
    const { death } = supervisor.signal.reason as SessionDeathError;
    expect(death).to.include({ cause: 'frozen', detectedBy: 'heartbeat' });
  });

  it('dies as network-lost if the endpoint can no longer be reached', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    await using supervisor = await SessionSupervisor.start({ gridUrl: proxy.url, ...HEARTBEAT });
    const halted = once(supervisor.signal, 'abort');
    proxy.refuse();
    await halted;
    const { death } = supervisor.signal.reason as SessionDeathError;
    expect(death).to.include({ cause: 'network-lost', detectedBy: 'heartbeat' });
    // Its one DELETE can be sent again, so that no browser is left on the endpoint.
    proxy.restore();
    await supervisor.stop();
  });

  it('gets one DELETE after its death, and no other command', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const supervisor = await SessionSupervisor.start({ gridUrl: proxy.url, ...HEARTBEAT });
    const sessionId = supervisor.sessionId!;
    const halted = once(supervisor.signal, 'abort');
    const before = proxy.requestsFor(sessionId).length;
    killProcess(supervisor.pids.browser!);
    await halted;
    const asked = proxy.requestsFor(sessionId).length;
    await Promise.allSettled([supervisor.driver.getTitle(), supervisor.driver.getCurrentUrl()]);
    await supervisor.stop();
    const after = proxy.requestsFor(sessionId).slice(asked);
    expect(after.map(({ method }) => method)).to.deep.equal(['DELETE']);
    // One probe asks the driver, and the session.
    expect(asked - before, 'requests before the death was declared').to.be.at.most(2);
    expect((supervisor.signal.reason as SessionDeathError).death.cause).to.equal('browser-gone');
  });

  it('is left running by stop() if another program started it', async () => {
    await using driver = await startRealDriver();
    const session = await driver.openSession();
    const supervisor = await SessionSupervisor.attach(driver.url, session.id, { browserName: 'chrome' });
    expect(await supervisor.driver.getTitle()).to.be.a('string');
    await supervisor.stop();
    expect((await send(`${session.url}/window/handles`)).status).to.equal(200);
    const refusal = await supervisor.restart().catch((error: Error) => error);
    expect(refusal).to.be.instanceOf(Error);
  });

  it('ends with the endpoint’s own DELETE when it is stopped', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const supervisor = await SessionSupervisor.start({ gridUrl: proxy.url });
    await supervisor.driver.get('data:text/html,<title>there</title>');
    await supervisor.stop();
    expect(proxy.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
    expect(supervisor.state).to.equal('ended');
  });
});
