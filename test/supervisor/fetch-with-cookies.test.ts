import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { expect } from 'chai';

import { silentLog } from '../../src/core/log.ts';
import type { BrowserCookie } from '../../src/driver/driver.ts';
import { fetchWithCookies } from '../../src/supervisor/fetch-with-cookies.ts';
import { BrowserCookieJar } from '../../src/supervisor/browser-cookie-jar.ts';
import { rejectionOf } from '../support/rejection.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that records its requests, and the cookies of a browser in memory. */
async function openStage(answer: Answer, cookies: Partial<BrowserCookie>[] = []) {
  const seen: { path: string; method: string; host: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const { url = '', method = '', headers } = request;
      seen.push({ path: url, method, host: String(headers.host), headers, body });
      answer(request, response);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const stored = cookies.map((cookie) => toCookie(cookie));
  const jar = new BrowserCookieJar(
    {
      all: async () => stored,
      set: async (cookie) => void stored.push(toCookie(cookie)),
      remove: async ({ name }) =>
        void stored.splice(
          stored.findIndex((one) => one.name === name),
          1,
        ),
    },
    silentLog,
  );
  return {
    seen,
    stored,
    port,
    call: (path: string, init: RequestInit = {}) =>
      fetchWithCookies(`http://127.0.0.1:${port}${path}`, init, { jar, send: fetch }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

function toCookie(cookie: Partial<BrowserCookie>): BrowserCookie {
  return { name: 'id', value: '1', domain: '127.0.0.1', path: '/', secure: false, httpOnly: false, ...cookie };
}

function redirect(status: number, location: (request: IncomingMessage) => string): Answer {
  return (request, response) => {
    if (request.url === '/from') response.writeHead(status, { location: location(request) });
    response.end('there');
  };
}

const THERE = () => '/there';

describe('fetchWithCookies', () => {
  for (const [status, method, expected] of [
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [303, 'HEAD', 'HEAD'],
    [302, 'PUT', 'PUT'],
    [307, 'POST', 'POST'],
    [308, 'POST', 'POST'],
  ] as const) {
    it(`follows a ${status} of ${method} with ${expected}, as fetch does`, async () => {
      await using stage = await openStage(redirect(status, THERE));
      const body = method === 'HEAD' ? {} : { body: 'x', headers: { 'content-type': 'text/x' } };
      const response = await stage.call('/from', { method, ...body });
      const after = stage.seen.at(-1);
      expect(after).to.include({
        path: '/there',
        method: expected,
        body: expected === method && 'body' in body ? 'x' : '',
      });
      expect(after?.headers['content-type']).to.equal(expected === method && 'body' in body ? 'text/x' : undefined);
      expect(response).to.include({ redirected: true, status: 200 });
    });
  }

  it('does not send the caller’s own cookie and password to another host', async () => {
    const other = ({ socket }: IncomingMessage) => `http://localhost:${socket.localPort}/there`;
    await using stage = await openStage(redirect(302, other));
    await stage.call('/from', { headers: { authorization: 'Basic eDp5', cookie: 'own=1', accept: 'text/x' } });
    const [before, after] = stage.seen;
    expect(before?.headers).to.include({ authorization: 'Basic eDp5', cookie: 'own=1' });
    expect(after?.headers).to.include({ accept: 'text/x', host: `localhost:${stage.port}` });
    expect(after?.headers).not.to.have.any.keys('authorization', 'cookie');
  });

  it('gives up after 20 redirects', async () => {
    await using stage = await openStage(redirect(302, () => '/from'));
    const error = await rejectionOf(stage.call('/from'));
    expect(error).to.be.instanceOf(TypeError);
    expect(String(error.cause)).to.contain('more than 20 redirects');
    expect(stage.seen).to.have.length(21);
  });

  it('returns a redirect itself if the caller requests that, and fails if redirects are not allowed', async () => {
    await using stage = await openStage(redirect(302, THERE));
    expect(await stage.call('/from', { redirect: 'manual' })).to.include({ status: 302, redirected: false });
    expect(await rejectionOf(stage.call('/from', { redirect: 'error' }))).to.be.instanceOf(TypeError);
  });

  it('sends no body a second time that can be read only once', async () => {
    await using stage = await openStage(redirect(307, THERE));
    const body = new Blob(['x']).stream();
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit;
    expect(await rejectionOf(stage.call('/from', init))).to.be.instanceOf(TypeError);
    expect(stage.seen).to.have.length(1);
  });

  it('sends the cookies of the host and path, the longer path first', async () => {
    const cookies = [
      { name: 'root' },
      { name: 'deep', path: '/a/b' },
      { name: 'folder', path: '/a/' },
      { name: 'sibling', path: '/a/bc' },
      { name: 'other', domain: 'other.test' },
      { name: 'safe', secure: true },
      { name: '', value: 'bare' },
    ];
    await using stage = await openStage((_request, response) => response.end(), cookies);
    await stage.call('/a/b/c');
    expect(stage.seen[0]?.headers.cookie).to.equal('deep=1; folder=1; root=1; safe=1; bare');
  });

  it('stores the cookies of an answer unless an attribute forbids it', async () => {
    const lines = [
      'plain=1',
      'path=1; Path=/x',
      'rootless=1; Path=x',
      'strict=1; SameSite=Strict; HttpOnly',
      'foreign=1; Domain=other.test',
      'gone=1; Max-Age=0; Expires=Wed, 01 Jan 2098 00:00:00 GMT',
      'dated=1; Expires=Wed, 01 Jan 2098 00:00:00 GMT',
    ];
    await using stage = await openStage(
      (_request, response) => response.setHeader('set-cookie', lines).end(),
      [{ name: 'gone' }],
    );
    await stage.call('/a/b/c');
    expect(stage.stored.map(({ name, path }) => [name, path])).to.deep.equal([
      ['plain', '/a/b'],
      ['path', '/x'],
      ['rootless', '/a/b'],
      ['strict', '/a/b'],
      ['dated', '/a/b'],
    ]);
    expect(stage.stored[3]).to.include({ sameSite: 'Strict', httpOnly: true });
    expect(stage.stored[4]?.expires).to.equal(Date.UTC(2098, 0, 1) / 1_000);
  });
});
