import { expect } from 'chai';
import { getEventListeners, once } from 'node:events';
import { mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpClient as SeleniumClient, Request } from 'selenium-webdriver/http/index.js';
import { openFaultSite, openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { HttpClient, type HttpExchange } from '../../src/driver/http-client.ts';

const REASON = new Error('halted');
const { signal: NEVER } = new AbortController();

/** Opens a client that is closed at the end of its test. */
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
  it('have a status, headers and the body as text, with any status', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    server.answer('GET /status', { value: 'Grüße, 世界' });
    const { status, headers, body } = await http.get('/status');
    expect(status).to.equal(200);
    expect(headers['content-type']).to.contain('application/json');
    expect(JSON.parse(body)).to.deep.equal({ value: 'Grüße, 世界' });
    expect(await http.get('/session/1/title')).to.include({ status: 404 });
  });

  it('are written to a file as they come if one is named, and only with status 200', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'answer-'));
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    server.answer('GET /status', { value: 'Grüße' });
    const [saved, refused] = [join(folder.path, 'saved'), join(folder.path, 'refused')];
    expect(await http.get('/status', { saveTo: saved })).to.include({ status: 200, body: '' });
    expect(JSON.parse(await readFile(saved, 'utf8'))).to.deep.equal({ value: 'Grüße' });
    expect(await http.get('/session/1/title', { saveTo: refused })).to.include({ status: 404 });
    expect(await readdir(folder.path)).to.deep.equal(['saved']);
    server.answer('GET /status', { cut: 'rst', value: 'Grüße' });
    expect(await rejectionOf(http.get('/status', { saveTo: refused }))).to.be.instanceOf(Error);
  });

  it('come from the path below the path of the endpoint, such as /wd/hub', async () => {
    await using site = await openFaultSite();
    for (const base of [`${site.url}/wd/hub`, `${site.url}/wd/hub/`]) {
      using http = openClient(base);
      await http.get('/status');
    }
    expect(site.requests.map(({ path }) => path)).to.deep.equal(['/wd/hub/status', '/wd/hub/status']);
  });

  it('come after basic authentication if the URL contains a user and a password, which may be percent-encoded', async () => {
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

  it('come over one connection if several clients of one endpoint ask one after the other', async () => {
    await using server = await openScriptedWebDriver();
    using first = openClient(server.url);
    using second = openClient(`${server.url}/`);
    for (const http of [first, second, first, second]) await http.get('/status');
    expect(server.openConnections).to.equal(1);
  });
});

describe('HttpClient: requests', () => {
  /** Opens a server that records each request as it was sent and answers with the result of `answer`. */
  async function openRecorder(
    answer: (path: string) => { status: number; location?: string } = () => ({ status: 200 }),
  ) {
    const requests: { method: string; path: string; headers: Record<string, unknown>; body: string }[] = [];
    const serve = async (request: IncomingMessage, response: ServerResponse) => {
      const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
      const { method = '', url: path = '', headers } = request;
      const { host: _host, ...others } = headers;
      requests.push({ method, path, headers: others, body });
      const { status, location } = answer(path);
      response.writeHead(status, location === undefined ? {} : { location }).end('{"value":null}');
    };
    const server = createServer((request, response) => void serve(request, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { url, requests, [Symbol.asyncDispose]: async () => void server.close() };
  }

  it('are equal to those of selenium’s own client, header by header', async () => {
    await using recorder = await openRecorder();
    const theirs = new SeleniumClient(`${recorder.url}/wd/hub`);
    using ours = openClient(`${recorder.url}/wd/hub`);
    for (const [method, path, data] of [
      ['GET', '/session/1/title', undefined],
      ['POST', '/session/1/url', { url: 'http://shop.test/ü' }],
      ['POST', '/session/1/back', {}],
      ['PUT', '/session/1/file', { name: 'ä' }],
      ['DELETE', '/session/1/cookie/a b', undefined],
    ] as const) {
      const request = new Request(method, path, data);
      await theirs.send(request);
      const body = data === undefined ? {} : { body: JSON.stringify(data) };
      await ours.client.send({ method, path, headers: Object.fromEntries(request.headers), ...body, signal: NEVER });
      const [expected, sent] = recorder.requests.splice(0);
      expect(sent, `${method} ${path}`).to.deep.equal(expected);
    }
  });

  it('follow a redirect with status 302 or 303 by GET, but not an endless one', async () => {
    await using recorder = await openRecorder((path) =>
      path === '/session'
        ? { status: 303, location: '/session/1' }
        : path === '/round'
          ? { status: 302, location: '/round' }
          : { status: 200 },
    );
    using http = openClient(recorder.url);
    expect(await http.get('/session', { method: 'POST', body: '{}' })).to.include({ status: 200 });
    expect(recorder.requests.map(({ method, path }) => `${method} ${path}`)).to.deep.equal([
      'POST /session',
      'GET /session/1',
    ]);
    expect(await http.get('/round')).to.include({ status: 302 });
  });

  it('do not send the password of the endpoint to the host of a redirect', async () => {
    await using other = await openRecorder();
    await using recorder = await openRecorder(() => ({ status: 302, location: `${other.url}/elsewhere` }));
    using http = openClient(recorder.url.replace('//', '//ann:secret@'));
    await http.get('/status');
    expect(recorder.requests[0]?.headers).to.have.property('authorization');
    expect(other.requests[0]?.headers).not.to.have.property('authorization');
  });

  it('queue if they are commands, on one connection, and do not queue if they are questions', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    using hold = server.hold('GET /title');
    const ask = (path: string) => http.get(`/session/1${path}`, { inOrder: true });
    const commands = [ask('/title'), ...Array.from({ length: 500 }, () => ask('/url'))];
    await hold.caught;
    expect(await http.get('/status')).to.include({ status: 200 });
    expect(server.openConnections).to.equal(2);
    hold.release();
    await Promise.all(commands);
    expect(server.openConnections).to.equal(2);
  });
});

describe('HttpClient: connections that break', () => {
  for (const cut of ['fin', 'rst'] as const) {
    it(`reject with ECONNRESET if the body is cut by ${cut}, which selenium's own client awaits forever`, async () => {
      await using server = await openScriptedWebDriver();
      using http = openClient(server.url);
      server.answer('GET /status', { cut });
      expect(await rejectionOf(http.get('/status'))).to.have.property('code', 'ECONNRESET');
    });
  }

  it('do not send a POST twice, because the first may have been delivered', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    await http.get('/status');
    server.answer('POST /session', { fault: 'reset' });
    const rejection = await rejectionOf(http.get('/session', { method: 'POST', body: '{}' }));
    expect(rejection).to.have.property('code', 'ECONNRESET');
    await http.get('/status');
    expect(server.requests.filter(({ method }) => method === 'POST')).to.have.length(1);
  });

  it("preserve Node's code if no server listens, also for a name with several addresses", async () => {
    const server = await openScriptedWebDriver();
    await server.close();
    for (const host of ['127.0.0.1', 'localhost']) {
      using http = openClient(`http://${host}:${server.port}`);
      expect(await rejectionOf(http.get('/status'))).to.have.property('code', 'ECONNREFUSED');
    }
  });
});

describe('HttpClient: aborting', () => {
  it("rejects with the signal's reason in flight, and ends the connection", async () => {
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

  it('sends nothing if the signal was already aborted', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    expect(await rejectionOf(http.get('/status', { signal: AbortSignal.abort(REASON) }))).to.equal(REASON);
    await http.get('/status');
    expect(server.requests).to.have.length(1);
  });

  it("rejects with the signal's reason in the middle of a body", async () => {
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

  it('turns a reason that is not an Error into one', async () => {
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
    // A socket that was reset reports its close some turns later.
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

  it('ends an exchange in progress', async () => {
    await using server = await openScriptedWebDriver();
    using http = openClient(server.url);
    server.answer('GET /status', { fault: 'never' });
    const rejection = rejectionOf(http.get('/status'));
    await server.waitForRequest('GET /status');
    http.client.close();
    expect(await rejection).to.have.property('code', 'ECONNRESET');
  });

  it('ends no exchange of another client of the endpoint, and closes the connections with the last client', async () => {
    await using server = await openScriptedWebDriver();
    using first = openClient(server.url);
    using second = openClient(server.url);
    const held = server.hold('GET /status');
    const answer = second.get('/status');
    await server.waitForRequest('GET /status');
    first.client.close();
    first.client.close();
    held.release();
    expect(await answer).to.include({ status: 200 });
    const disconnect = server.waitForDisconnect();
    second.client.close();
    await disconnect;
    expect(server.openConnections).to.equal(0);
  });
});
