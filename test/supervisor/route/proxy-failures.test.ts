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
  const routeThrough = (proxies: string) =>
    new ApiRoute({
      switches: async () => [`--proxy-server=${proxies}`],
      environment: undefined,
      acceptsInsecureCerts: false,
      log: silentLog,
    });
  const answerOk = (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');

  it('sends a call once if the proxy breaks the connection after it got the call', async () => {
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
    it(`takes the next proxy if ${first} accepts no connection`, async () => {
      const second = await open(answerOk);
      const response = await routeThrough(`${first},${second}`).fetch('http://shop.test/', { method: 'POST' });
      expect(await response.text()).to.equal('ok');
    });

  it('takes the next proxy if the first breaks the connection instead of opening a tunnel', async () => {
    const first = await open((socket) => socket.resetAndDestroy());
    let asked = '';
    const second = await open((socket, text) => {
      asked = text;
      socket.destroy();
    });
    await rejectionOf(routeThrough(`${first},${second}`).fetch('https://shop.test/', { method: 'POST' }));
    expect(asked).to.match(/^CONNECT shop\.test:443 /);
  });
});
