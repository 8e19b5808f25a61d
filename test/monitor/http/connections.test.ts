import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createConnection } from 'node:net';
import { text as readText } from 'node:stream/consumers';

import { expect } from 'chai';

import { makeLog } from '../../../src/core/log.ts';
import { makeServerFactory, type ConnectionLimits } from '../../../src/monitor/http/connections.ts';
import { eventually } from '../../support/eventually.ts';
import { numbers } from '../../support/opened-run.ts';

const LIMITS: ConnectionLimits = {
  maxConnections: 5,
  maxConnectionsPerClient: 3,
  headersMs: 60,
  requestMs: 80,
  checkIntervalMs: 10,
  stalledAnswerMs: 40,
};
const UNLIMITED_MS = 60_000;

describe('makeServerFactory', () => {
  let lines: string[];
  let sockets: Socket[];
  let servers: ReturnType<ReturnType<typeof makeServerFactory>>[];

  beforeEach(() => {
    lines = [];
    sockets = [];
    servers = [];
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  });

  /** Listens on the given number of ports with one factory. */
  const listen = async (limits: Partial<ConnectionLimits>, count = 1): Promise<number[]> => {
    const log = makeLog({ level: 'debug', format: 'json', write: (line) => void lines.push(line) });
    const makeServer = makeServerFactory(log, { ...LIMITS, ...limits });
    return Promise.all(
      numbers(count).map(async () => {
        const server = makeServer((request, response) => {
          if (request.method === 'GET') response.end(request.url === '/large' ? 'x'.repeat(30_000_000) : 'ok');
        });
        servers.push(server);
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        return (server.address() as AddressInfo).port;
      }),
    );
  };
  const connect = (port = 0, localAddress = '127.0.0.1'): Socket => {
    const socket = createConnection({ host: '127.0.0.1', port, localAddress });
    sockets.push(socket);
    // A refused connection may be reset.
    socket.on('error', () => undefined);
    return socket;
  };
  const isOpen = async (socket: Socket): Promise<boolean> => {
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]);
  };

  it('limits the connections of a client and of all clients, on all addresses together, and accepts more when some end', async () => {
    const [one, other] = await listen(
      { headersMs: UNLIMITED_MS, requestMs: UNLIMITED_MS, stalledAnswerMs: UNLIMITED_MS },
      2,
    );
    const first = [connect(one), connect(other), connect(one)];
    expect(await Promise.all(first.map(isOpen))).to.deep.equal([true, true, true]);
    expect(await isOpen(connect(other))).to.equal(false);
    const others = [connect(one, '127.0.0.2'), connect(other, '127.0.0.3')];
    expect(await Promise.all(others.map(isOpen))).to.deep.equal([true, true]);
    expect(await isOpen(connect(one, '127.0.0.4'))).to.equal(false);
    first[0]?.destroy();
    await eventually(() => isOpen(connect(one, '127.0.0.4')), 'a free connection');
    const warnings = lines.map((line) => JSON.parse(line) as object);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include({ level: 'warn', client: '127.0.0.1', ofClient: 3, ofAll: 3 });
  });

  for (const [name, begin] of [
    ['sends nothing', ''],
    ['never ends its headers', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
    ['never ends its body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n'],
  ] as const)
    it(`closes a connection that ${name}, even if it sends single bytes`, async () => {
      const [port] = await listen({ stalledAnswerMs: UNLIMITED_MS });
      for (const isTrickling of begin === '' ? [false] : [false, true]) {
        const socket = connect(port);
        socket.write(begin);
        const timer = isTrickling ? setInterval(() => socket.write('x'), 5) : undefined;
        try {
          expect(await readText(socket).catch(() => '')).to.match(/^(HTTP\/1\.1 408 |$)/);
        } finally {
          clearInterval(timer);
        }
      }
    });

  it('cuts an answer that the client does not read', async () => {
    const [port] = await listen({ headersMs: UNLIMITED_MS, requestMs: UNLIMITED_MS });
    const socket = connect(port);
    socket.pause();
    socket.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [accepted] = (await once(servers[0]!, 'connection')) as [Socket];
    await once(accepted, 'close');
    socket.resume();
    expect((await readText(socket).catch(() => '')).length).to.be.below(30_000_000);
  });
});
