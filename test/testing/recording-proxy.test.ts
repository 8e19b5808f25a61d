import { expect } from 'chai';
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { openRecordingProxy } from '../../src/testing/recording-proxy.ts';
import { openScriptedWebDriver } from '../../src/testing/scripted-webdriver.ts';
import { codeOf, isPending, send } from '../support/send.ts';

describe('openRecordingProxy: forwarding', () => {
  it('forwards commands and answers unchanged, and records each command before the driver receives it', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const { json } = await send(`${proxy.url}/session`, { method: 'POST', body: { capabilities: {} } });
    const id: string = json.value.sessionId;
    await send(`${proxy.url}/session/${id}/url`, { method: 'POST', body: { url: 'http://ümlaut.test/' } });
    expect(driver.requestsFor(id)[0]?.body).to.deep.equal({ url: 'http://ümlaut.test/' });
    expect((await send(`${proxy.url}/session/${id}/url`)).text).to.equal('{"value":"http://ümlaut.test/"}');
    expect(proxy.requestsFor(id).map(({ method }) => method)).to.deep.equal(['POST', 'GET']);
    expect(proxy.requests[0]?.at).to.be.lessThan(driver.requests[0]?.at ?? 0);
  });

  it('uses one connection on each side for many commands, errors included', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 20; i++) await send(`${proxy.url}/session/none/title`, { agent });
    expect(Object.values(agent.freeSockets).flat()).to.have.length(1);
    expect(driver.openConnections).to.equal(1);
    agent.destroy();
  });

  it('resets the client when the driver resets', async () => {
    await using driver = await openScriptedWebDriver({ answers: { 'GET /status': { fault: 'reset' } } });
    await using proxy = await openRecordingProxy(driver.url);
    expect(await codeOf(send(`${proxy.url}/status`))).to.equal('ECONNRESET');
  });

  it('disconnects from the driver when the client disconnects', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const hold = driver.hold('GET /status');
    const controller = new AbortController();
    const code = codeOf(send(`${proxy.url}/status`, { signal: controller.signal }));
    await hold.caught;
    const left = driver.waitForDisconnect();
    controller.abort();
    expect(await code).to.equal('ABORT_ERR');
    await left;
    expect(driver.openConnections).to.equal(0);
  });

  it("tunnels upgrades to another protocol, with the client's Host header", async () => {
    const server = createServer().listen(0, '127.0.0.1');
    server.on('upgrade', (request, socket: Socket) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n${request.headers.host}`,
      );
    });
    await once(server, 'listening');
    await using proxy = await openRecordingProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const socket = connect(proxy.port, '127.0.0.1');
    socket.write('GET /session/1 HTTP/1.1\r\nHost: proxy.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    let text = '';
    while (!text.endsWith('proxy.test')) text += String((await once(socket, 'data'))[0]);
    expect(text).to.contain('101');
    proxy.refuse();
    const [error] = await once(socket, 'error');
    expect(error).to.include({ code: 'ECONNRESET' });
    server.close();
  });

  it('refuses a target without plain HTTP', async () => {
    expect(await openRecordingProxy('https://grid.test').catch((error: Error) => error.message)).to.contain(
      'https://grid.test',
    );
  });
});

describe('openRecordingProxy: faults', () => {
  it('cuts only the next matching answer, in the middle of its body', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const fault = proxy.cutNextBody('GET /status');
    const cut = await send(`${proxy.url}/status`);
    expect(cut).to.include({ status: 200, error: 'ECONNRESET' });
    const whole = await send(`${proxy.url}/status`);
    expect(whole.text.startsWith(cut.text)).to.equal(true);
    expect(cut.text.length).to.equal(Math.ceil(whole.text.length / 2));
    expect((await fault.struck).path).to.equal('/status');
  });

  it('swallows the answer of a command that the driver has executed', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const fault = proxy.swallowNext('POST /session');
    const controller = new AbortController();
    const answer = send(`${proxy.url}/session`, { method: 'POST', body: {}, signal: controller.signal });
    const code = codeOf(answer);
    await fault.struck;
    expect(driver.sessionIds).to.have.length(1);
    expect(await isPending(answer)).to.equal(true);
    controller.abort();
    expect(await code).to.equal('ABORT_ERR');
  });

  it('does not affect commands after a fault was disarmed', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    proxy.swallowNext('GET /status').disarm();
    expect((await send(`${proxy.url}/status`)).status).to.equal(200);
  });

  it('resets current and later commands, and forwards again after restore', async () => {
    await using driver = await openScriptedWebDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const hold = driver.hold('GET /status');
    const inFlight = codeOf(send(`${proxy.url}/status`));
    await hold.caught;
    proxy.refuse();
    expect(await inFlight).to.equal('ECONNRESET');
    expect(await codeOf(send(`${proxy.url}/status`))).to.equal('ECONNRESET');
    hold.release();
    proxy.restore();
    expect((await send(`${proxy.url}/status`)).status).to.equal(200);
  });
});
