import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { expect } from 'chai';

import { silentLog } from '../../../src/core/log.ts';
import { ApiRoute } from '../../../src/supervisor/route/api-route.ts';
import { rejectionOf } from '../support.ts';

describe('ApiRoute and proxies that fail', () => {
  let servers: Server[] = [];
  let sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    servers = [];
    sockets = [];
  });

  const open = async (onData: (socket: Socket, text: string) => void): Promise<string> => {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (data) => onData(socket, data.toString()));
    });
    servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const routeThrough = (proxies: string, signal = new AbortController().signal) =>
    new ApiRoute({
      switches: async () => [`--proxy-server=${proxies}`],
      environment: undefined,
      acceptsInsecureCerts: false,
      signal,
      log: silentLog,
    });
  const answerOk = (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');

  it('sends a call once if the proxy closes the connection after it got the call', async () => {
    const seen: string[] = [];
    const first = await open((socket, text) => {
      seen.push(`first ${text.slice(0, 4)}`);
      socket.resetAndDestroy();
    });
    const second = await open((socket) => {
      seen.push('second');
      answerOk(socket);
    });
    await rejectionOf(routeThrough(`${first},${second}`).fetch('http://shop.test/', { method: 'POST', body: 'x' }));
    expect(seen).to.deep.equal(['first POST']);
  });

  for (const first of ['http://127.0.0.1:1', 'socks4://127.0.0.1:1', 'socks5://127.0.0.1:1'])
    it(`uses the next proxy if ${first} accepts no connection`, async () => {
      const second = await open(answerOk);
      const response = await routeThrough(`${first},${second}`).fetch('http://shop.test/', { method: 'POST' });
      expect(await response.text()).to.equal('ok');
    });

  it('uses the next proxy if the first one closes the connection instead of opening a tunnel', async () => {
    const first = await open((socket) => socket.resetAndDestroy());
    let asked = '';
    const second = await open((socket, text) => {
      asked = text;
      socket.destroy();
    });
    await rejectionOf(routeThrough(`${first},${second}`).fetch('https://shop.test/', { method: 'POST' }));
    expect(asked).to.match(/^CONNECT shop\.test:443 /);
  });

  for (const [title, scheme, url] of [
    ['a tunnel that is asked for', 'http', 'https://shop.test/'],
    ['a tunnel that was opened', 'http', 'https://open.test/'],
    ['a call by name', 'http', 'http://shop.test/'],
    ['a SOCKS proxy', 'socks5', 'http://shop.test/'],
  ] as const)
    it(`closes the connections when the session ends: ${title}`, async () => {
      const hasData = Promise.withResolvers<Socket>();
      const proxy = await open((socket, text) => {
        if (text.startsWith('CONNECT open')) socket.write('HTTP/1.1 200 OK\r\n\r\n');
        else hasData.resolve(socket);
      });
      const session = new AbortController();
      // The call itself was abandoned, which leaves a connection that is still being opened.
      const caller = new AbortController();
      const call = routeThrough(`${scheme}://${proxy}`, session.signal).fetch(url, { signal: caller.signal });
      const socket = await hasData.promise;
      caller.abort();
      await rejectionOf(call);
      const closed = once(socket, 'close');
      session.abort();
      await closed;
    });
});
