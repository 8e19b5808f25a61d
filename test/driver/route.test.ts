import { Agent } from 'node:http';

import { expect } from 'chai';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';

import { HttpClient, type Route } from '../../src/driver/http-client.ts';
import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { rejectionOf } from '../support/rejection.ts';
import { openForwardProxy } from '../support/forward-proxy.ts';

const { signal: NEVER } = new AbortController();

/** Opens a client whose commands are sent all at once. */
function openClient(server: ScriptedWebDriver, route: Route) {
  const client = new HttpClient(server.url, route);
  const send = (path: string) => client.send({ method: 'GET', path, inOrder: true, signal: NEVER });
  return { client, send, [Symbol.dispose]: () => client.close() };
}

describe('The route to an endpoint', () => {
  it('leads through a proxy with user and password, for commands and for the end of the session', async () => {
    await using server = await openScriptedWebDriver();
    await using proxy = await openForwardProxy({ hosts: { 'grid.test': server.port }, login: 'ann:sec ret' });
    const gridProxy = proxy.url.replace('//', '//ann:sec%20ret@');
    const supervisor = await SessionSupervisor.start({ gridUrl: 'http://grid.test/wd/hub', gridProxy });
    await supervisor.driver.getTitle();
    await supervisor.stop();
    expect(server.requests.map(({ method }) => method)).to.deep.equal(['POST', 'GET', 'DELETE']);
    expect(proxy.requests).to.include('POST http://grid.test/wd/hub/session');
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('is named if it does not answer, without its password', async () => {
    const options = { gridUrl: 'http://grid.test', gridProxy: 'http://ann:secret@127.0.0.1:2' };
    const { message } = await rejectionOf(SessionSupervisor.start(options));
    expect(message).to.match(/grid\.test.* through the proxy http:\/\/.*127\.0\.0\.1:2.*GRID_PROXY/);
    expect(message).not.to.contain('secret');
  });

  it('accepts an agent of the user, which preserves the order of commands and stays open', async () => {
    await using server = await openScriptedWebDriver();
    const agent = new Agent({ keepAlive: true });
    using http = openClient(server, { agent });
    using hold = server.hold('/session/1/a');
    const first = http.send('/session/1/a');
    const second = http.send('/session/1/b');
    await hold.caught;
    expect(server.requests).to.have.length(1);
    hold.release();
    await Promise.all([first, second]);
    http.client.close();
    expect(Object.values(agent.freeSockets).flat()).to.have.length(1);
    agent.destroy();
  });

  it('is refused if its agent has a single connection, which a command would block for the heartbeat', async () => {
    const gridAgent = new Agent({ maxSockets: 1 });
    const error = await rejectionOf(SessionSupervisor.start({ gridUrl: 'http://grid.test', gridAgent }));
    expect(error.message).to.match(/gridAgent .*one connection .*maxSockets/);
  });

  it('ends an exchange that waits for a connection when its signal aborts', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('/session/1/a', { fault: 'never' });
    const agent = new Agent({ maxSockets: 1 });
    using http = openClient(server, { agent });
    const lost = rejectionOf(http.send('/session/1/a'));
    await server.waitForRequest('/session/1/a');
    const stop = new AbortController();
    const waiting = rejectionOf(http.client.send({ method: 'GET', path: '/status', signal: stop.signal }));
    stop.abort(new Error('no longer wanted'));
    expect((await waiting).message).to.equal('no longer wanted');
    http.client.dropConnection();
    await lost;
    agent.destroy();
  });

  it('continues with the next command after an answer was abandoned, also with an agent of the user', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('/session/1/a', { fault: 'never' });
    const agent = new Agent({ keepAlive: true });
    using http = openClient(server, { agent });
    const lost = rejectionOf(http.send('/session/1/a'));
    const next = http.send('/session/1/b');
    await server.waitForRequest('/session/1/a');
    http.client.dropConnection();
    expect(await lost).to.have.property('code', 'ECONNRESET');
    await next;
    agent.destroy();
  });
});
