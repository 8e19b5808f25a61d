import { expect } from 'chai';
import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openFaultSite, openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { HttpClient, type HttpExchange } from '../../src/driver/http-client.ts';

const REASON = new Error('halted');
const { signal: NEVER } = new AbortController();

/** A client that is closed at the end of its test. */
function openClient(url: string) {
  const client = new HttpClient(url);
  return {
    client,
    get: (path: string, options: Partial<HttpExchange> = {}) =>
      client.send({ method: 'GET', path, signal: NEVER, ...options }),
    [Symbol.dispose]: () => client.close(),
  };
}

const rejectionOf = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
  promise.then(
    () => expect.fail('it resolved'),
    (thrown: unknown) => thrown as NodeJS.ErrnoException,
  );

describe('HttpClient: answers', () => {
  it('have status, headers and the body as text, whatever the status', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    server.answer('GET /status', { value: 'Grüße, 世界' });
    const { status, headers, body } = await http.get('/status');
    expect(status).to.equal(200);
    expect(headers['content-type']).to.contain('application/json');
    expect(JSON.parse(body)).to.deep.equal({ value: 'Grüße, 世界' });
    expect(await http.get('/session/1/title')).to.include({ status: 404 });
  });

  it('come to the path below the path of the endpoint, such as /wd/hub', async () => {
    await using site = await openFaultSite();
    for (const base of [`${site.url}/wd/hub`, `${site.url}/wd/hub/`]) {
      using http = openClient(base);
      await http.get('/status');
    }
    expect(site.requests.map(({ path }) => path)).to.deep.equal(['/wd/hub/status', '/wd/hub/status']);
  });

  it('come with basic authentication, where the URL has user and password, which may be percent-encoded', async () => {
    await using site = await openFaultSite();
    for (const [credentials, expected] of [
      ['ann:p%40ss%20word', 'ann:p@ss word'],
      ['ann:50%', 'ann:50%'],
      ['key', 'key:'],
    ] as const) {
      using http = openClient(site.url.replace('//', `//${credentials}@`));
      const { body } = await http.get('/echo', { method: 'POST', body: '{}' });
      const { headers } = JSON.parse(body) as { headers: { authorization: string } };
      expect(headers.authorization).to.equal(`Basic ${Buffer.from(expected).toString('base64')}`);
    }
  });

  it('come over one connection, one after the other', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    for (let i = 0; i < 5; i++) await http.get('/status');
    expect(server.openConnections).to.equal(1);
  });
});

describe('HttpClient: connections that break', () => {
  for (const cut of ['fin', 'rst'] as const) {
    it(`rejects with ECONNRESET where the body is cut off by ${cut}, which selenium's own client awaits for ever`, async () => {
      await using server = await openScriptedWebDriver();
      using http = openClient(server.url);
      server.answer('GET /status', { cut });
      expect(await rejectionOf(http.get('/status'))).to.have.property('code', 'ECONNRESET');
    });
  }

  it('never sends a POST twice, whose first delivery is unknown', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    await http.get('/status');
    server.answer('POST /session', { fault: 'reset' });
    const rejection = await rejectionOf(http.get('/session', { method: 'POST', body: '{}' }));
    expect(rejection).to.have.property('code', 'ECONNRESET');
    await http.get('/status');
    expect(server.requests.filter(({ method }) => method === 'POST')).to.have.length(1);
  });

  it("keeps node's code where nobody listens, also for a name with several addresses", async () => {
    const server = await openScriptedWebDriver();
    await server.close();
    for (const host of ['127.0.0.1', 'localhost']) {
      using http = openClient(`http://${host}:${server.port}`);
      expect(await rejectionOf(http.get('/status'))).to.have.property('code', 'ECONNREFUSED');
    }
  });
});

describe('HttpClient: aborting', () => {
  it("rejects with the signal's own reason in flight, and gives up the connection", async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    const halt = new AbortController();
    server.answer('GET /status', { fault: 'never' });
    const rejection = rejectionOf(http.get('/status', { signal: halt.signal }));
    await server.waitForRequest('GET /status');
    const disconnect = server.waitForDisconnect();
    halt.abort(REASON);
    expect(await rejection).to.equal(REASON);
    await disconnect;
  });

  it('sends nothing where the signal had aborted before', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    expect(await rejectionOf(http.get('/status', { signal: AbortSignal.abort(REASON) }))).to.equal(REASON);
    await http.get('/status');
    expect(server.requests).to.have.length(1);
  });

  it("rejects with the signal's own reason in the middle of a body", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"value":');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    using http = openClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const halt = new AbortController();
    const rejection = rejectionOf(http.get('/status', { signal: halt.signal }));
    const [, response] = (await once(server, 'request')) as [unknown, NodeJS.WritableStream];
    await new Promise<void>((resolve) => void response.write('"half', () => resolve()));
    halt.abort(REASON);
    expect(await rejection).to.equal(REASON);
    await new Promise((resolve) => server.close(resolve));
  });

  it('makes an Error of a reason that is none', async () => {
    using http = openClient('http://127.0.0.1:9');
    const rejection = await rejectionOf(http.get('/status', { signal: AbortSignal.abort('a text') }));
    expect(rejection).to.be.instanceOf(Error).with.property('message', 'a text');
  });

  it('leaves no listener on the signal of a session, after answers and failures', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    const { signal } = new AbortController();
    for (let i = 0; i < 20; i++) await http.get('/status', { signal });
    server.answer('GET /status', { cut: 'fin' }, { times: 1 });
    await rejectionOf(http.get('/status', { signal }));
    server.answer('GET /status', { fault: 'reset' }, { times: 1 });
    await rejectionOf(http.get('/status', { signal }));
    // A socket that was reset tells of its close some turns later.
    for (let turn = 0; turn < 100 && getEventListeners(signal, 'abort').length > 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });
});

describe('HttpClient: closing', () => {
  it('closes idle connections', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    await http.get('/status');
    const disconnect = server.waitForDisconnect();
    http.client.close();
    await disconnect;
    expect(server.openConnections).to.equal(0);
  });

  it('ends an exchange that is under way', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    server.answer('GET /status', { fault: 'never' });
    const rejection = rejectionOf(http.get('/status'));
    await server.waitForRequest('GET /status');
    http.client.close();
    expect(await rejection).to.have.property('code', 'ECONNRESET');
  });
});
