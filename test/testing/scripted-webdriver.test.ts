import { expect } from 'chai';
import { Agent } from 'node:http';
import {
  openScriptedWebDriver,
  type ScriptedWebDriver,
  type WebDriverScript,
} from '../../src/testing/scripted-webdriver.ts';
import { codeOf, isPending, send } from '../support/send.ts';

describe('openScriptedWebDriver: an unscripted server', () => {
  it('opens a session with the default capabilities and no DevTools', async () => {
    await using server = await openScriptedWebDriver();
    const { status, json } = await send(`${server.url}/session`, { method: 'POST', body: { capabilities: {} } });
    expect(status).to.equal(200);
    expect(json.value.capabilities).to.include({ browserName: 'scripted' });
    expect(json.value.capabilities.timeouts).to.deep.equal({ implicit: 0, pageLoad: 300_000, script: 30_000 });
    expect(json.value.capabilities).not.to.have.property('goog:chromeOptions');
    expect(server.sessionIds).to.deep.equal([json.value.sessionId]);
  });

  it('reports ready, and stores URL, cookies, timeouts and windows of a session', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    expect((await send(`${server.url}/status`)).json.value.ready).to.equal(true);
    await send(`${session}/url`, { method: 'POST', body: { url: 'http://shop.test/' } });
    expect((await send(`${session}/url`)).json.value).to.equal('http://shop.test/');
    expect((await send(`${session}/title`)).json.value).to.contain('http://shop.test/');
    await send(`${session}/cookie`, { method: 'POST', body: { cookie: { name: 'a b', value: '1' } } });
    expect((await send(`${session}/cookie/a%20b`)).json.value).to.include({ name: 'a b', value: '1' });
    await send(`${session}/timeouts`, { method: 'POST', body: { script: 5 } });
    expect((await send(`${session}/timeouts`)).json.value.script).to.equal(5);
    const opened = await send(`${session}/window/new`, { method: 'POST', body: { type: 'tab' } });
    expect((await send(`${session}/window/handles`)).json.value).to.deep.equal(['window-1', opened.json.value.handle]);
    expect(
      (await send(`${session}/execute/sync`, { method: 'POST', body: { script: '', args: [] } })).json.value,
    ).to.equal(null);
  });

  it('ends the session with its last window, and reports its id as invalid afterwards', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    expect((await send(`${session}/window`, { method: 'DELETE' })).json.value).to.deep.equal([]);
    const late = await send(`${session}/title`);
    expect(late.status).to.equal(404);
    expect(late.json.value.error).to.equal('invalid session id');
  });

  it('reports no such window for a closed window while another one is open', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    await send(`${session}/window/new`, { method: 'POST', body: {} });
    await send(`${session}/window`, { method: 'DELETE' });
    expect((await send(`${session}/title`)).json.value.error).to.equal('no such window');
    expect((await send(`${session}/window/handles`)).json.value).to.deep.equal(['window-2']);
  });

  it('uses one connection for the commands of a keep-alive client', async () => {
    await using server = await openScriptedWebDriver();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 5; i++) await send(`${server.url}/status`, { agent });
    expect(Object.values(agent.freeSockets).flat()).to.have.length(1);
    agent.destroy();
  });
});

describe('openScriptedWebDriver: scripted answers', () => {
  it('takes capabilities and answers from its script', async () => {
    const script: WebDriverScript = {
      capabilities: (requested) => ({ browserName: 'other', asked: requested }),
      answers: { 'GET /title': { value: 'scripted title' } },
    };
    await using server = await openScriptedWebDriver(script);
    const { json } = await send(`${server.url}/session`, {
      method: 'POST',
      body: { capabilities: { firstMatch: [{}] } },
    });
    expect(json.value.capabilities).to.deep.include({ browserName: 'other', asked: { firstMatch: [{}] } });
    expect((await send(`${server.url}/session/${json.value.sessionId}/title`)).json.value).to.equal('scripted title');
  });

  it('answers errors with the HTTP status that W3C WebDriver defines for them', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    server.answer('GET /title', { error: 'unknown error', message: 'tab crashed' });
    server.answer('GET /url', { error: 'no such window' });
    const title = await send(`${session}/title`);
    expect([title.status, title.json.value.error, title.json.value.message]).to.deep.equal([
      500,
      'unknown error',
      'tab crashed',
    ]);
    expect((await send(`${session}/url`)).status).to.equal(404);
  });

  it('applies a rule the given number of times, and ignores a removed rule', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    server.answer('GET /url', { value: 'once' }, { times: 1 });
    const removeRule = server.answer(/GET .*\/title/, { value: 'ruled' });
    expect((await send(`${session}/url`)).json.value).to.equal('once');
    expect((await send(`${session}/url`)).json.value).to.equal('about:blank');
    expect((await send(`${session}/title`)).json.value).to.equal('ruled');
    removeRule();
    expect((await send(`${session}/title`)).json.value).to.equal('Title of about:blank');
  });

  it('answers with a given status and HTML, as a proxy does', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('GET /status', { status: 502, body: '<html>Bad Gateway</html>' });
    const { status, text, headers } = await send(`${server.url}/status`);
    expect([status, text]).to.deep.equal([502, '<html>Bad Gateway</html>']);
    expect(headers['content-type']).to.contain('text/html');
  });

  it('refuses a session if scripted so, and then lists none', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('POST /session', { error: 'session not created', message: 'no more slots' });
    expect((await send(`${server.url}/session`, { method: 'POST', body: {} })).status).to.equal(500);
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('answers the commands of an ended session with the given reason', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    server.endSession(undefined, 'Unable to find session: session timed out due to inactivity');
    expect((await send(`${session}/url`)).json.value.message).to.contain('due to inactivity');
  });
});

describe('openScriptedWebDriver: faults of the connection', () => {
  for (const cut of ['fin', 'rst'] as const) {
    it(`sends the headers and half of the body, and then cuts the connection by ${cut}`, async () => {
      await using server = await openScriptedWebDriver();
      server.answer('GET /status', { cut });
      const answer = await send(`${server.url}/status`).catch((error: NodeJS.ErrnoException) => ({
        error: error.code,
      }));
      expect(answer.error).to.equal('ECONNRESET');
      if (cut === 'fin') expect(answer).to.include({ status: 200 });
    });
  }

  it('resets the connection before the first byte of the answer', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('GET /status', { fault: 'reset' });
    expect(await codeOf(send(`${server.url}/status`))).to.equal('ECONNRESET');
  });

  it('leaves a request unanswered until the server closes', async () => {
    const server = await openScriptedWebDriver();
    server.answer('GET /status', { fault: 'never' });
    const answer = send(`${server.url}/status`);
    const code = codeOf(answer);
    await server.waitForRequest('GET /status');
    expect(await isPending(answer)).to.equal(true);
    await server.close();
    expect(await code).to.equal('ECONNRESET');
  });

  it('holds a command until it is released, and answers the others', async () => {
    await using server = await openScriptedWebDriver();
    const session = await openSession(server);
    const hold = server.hold('GET /title');
    const title = send(`${session}/title`);
    expect((await hold.caught).path).to.match(/\/title$/);
    expect((await send(`${session}/url`)).status).to.equal(200);
    expect(await isPending(title)).to.equal(true);
    hold.release();
    expect((await title).json.value).to.equal('Title of about:blank');
  });

  it('resets every connection while it refuses, and answers again after restore', async () => {
    await using server = await openScriptedWebDriver();
    server.refuse();
    expect(await codeOf(send(`${server.url}/status`))).to.equal('ECONNRESET');
    server.restore();
    expect((await send(`${server.url}/status`)).status).to.equal(200);
  });
});

describe('openScriptedWebDriver: recorded requests', () => {
  it('records method, path, session, body and time of every request, in order', async () => {
    await using server = await openScriptedWebDriver();
    const [one, two] = [await openSession(server), await openSession(server)];
    await send(`${one}/url`, { method: 'POST', body: { url: 'about:blank' } });
    await send(`${two}/title`);
    const id = one.split('/').at(-1) ?? '';
    expect(server.requestsFor(id).map(({ method, path }) => `${method} ${path}`)).to.deep.equal([
      `POST /session/${id}/url`,
    ]);
    expect(server.requestsFor(id)[0]?.body).to.deep.equal({ url: 'about:blank' });
    const times = server.requests.map(({ at }) => at);
    expect(times)
      .to.deep.equal(times.toSorted((a, b) => a - b))
      .and.to.have.length(4);
  });

  it('resolves a wait, also for an earlier request and for the second matching request', async () => {
    await using server = await openScriptedWebDriver();
    await send(`${server.url}/status`);
    expect((await server.waitForRequest('/status')).method).to.equal('GET');
    const second = server.waitForRequest('GET /status', { count: 2 });
    expect(await isPending(second)).to.equal(true);
    await send(`${server.url}/status?second`);
    expect((await second).path).to.equal('/status?second');
  });

  it('rejects a wait when its signal aborts, and when the server closes', async () => {
    const server = await openScriptedWebDriver();
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = server.waitForRequest('/never-asked', { signal: controller.signal });
    const closed = server.waitForRequest('/never-asked');
    controller.abort(reason);
    expect(await aborted.catch((error: unknown) => error)).to.equal(reason);
    await server.close();
    expect(await closed.catch((error: Error) => error.message)).to.contain('closed');
  });

  it('refuses a matcher without a path', async () => {
    await using server = await openScriptedWebDriver();
    expect(() => server.hold('title')).to.throw(TypeError, 'METHOD /path');
  });
});

async function openSession(server: ScriptedWebDriver): Promise<string> {
  const { json } = await send(`${server.url}/session`, { method: 'POST', body: { capabilities: {} } });
  return `${server.url}/session/${json.value.sessionId}`;
}
