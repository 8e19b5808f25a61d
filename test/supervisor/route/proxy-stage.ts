/** A site with HTTP and HTTPS, and proxies that alone can resolve its names. All of them listen on loopback. */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';

import { SELF_SIGNED } from '../../support/self-signed.ts';

/** The route of a request to the site. */
export type Way = 'direct' | 'http' | 'tunnel' | 'socks4' | 'socks5';

export interface ProxyStage extends AsyncDisposable {
  /** The URLs of the site: `http://127.0.0.1:…` and `https://127.0.0.1:…`. */
  readonly httpUrl: string;
  readonly httpsUrl: string;
  /** The `host:port` of a proxy that accepts absolute URLs and CONNECT. */
  readonly proxy: string;
  /** The `host:port` of a proxy for SOCKS 4 and 5. */
  readonly socks: string;
  /** Returns the requests that the site and the proxies got since the last call, without requests for icons. */
  readonly takeSeen: () => {
    readonly ways: readonly Way[];
    readonly headers: readonly IncomingMessage['headers'][];
    /** The number of connections to the HTTPS site. */
    readonly secureConnections: number;
  };
  /** Makes the proxy require a password from now on. */
  isPasswordNeeded: boolean;
}

/** Opens the stage. Names that end in `.test` lead to the site, but only through the proxies. */
export async function openProxyStage(): Promise<ProxyStage> {
  let ways: Way[] = [];
  let headers: IncomingMessage['headers'][] = [];
  let secureConnections = 0;
  /** The connections from the proxies to the site, by their local port. */
  const proxied = new Map<number, Way>();
  const sockets = new Set<Socket>();

  const answer = (incoming: IncomingMessage, response: ServerResponse) => {
    response.setHeader('content-type', 'text/html').end('<title>site</title>');
    if (incoming.url === '/favicon.ico') return;
    ways.push(proxied.get(incoming.socket.remotePort ?? 0) ?? 'direct');
    headers.push(incoming.headers);
  };
  const site = createServer(answer);
  const secureSite = createTlsServer(SELF_SIGNED, answer);
  secureSite.on('connection', () => (secureConnections += 1));
  await Promise.all([listen(site), listen(secureSite)]);

  /** Returns the site's port for a name that only a proxy resolves; undefined for other names. */
  const portFor = (host: string, port: number) => {
    if (host.endsWith('.test')) return portOf(port === 443 ? secureSite : site);
    return host === '127.0.0.1' || host === 'localhost' ? port : undefined;
  };
  /** A port may be reused after its connection is closed. */
  const note = (upstream: Socket, way: Way) => {
    const port = upstream.localPort ?? 0;
    proxied.set(port, way);
    upstream.once('close', () => proxied.delete(port));
  };
  const join = (client: Socket, { to, way }: { to: number; way: Way }, greet: () => void) => {
    const upstream = connect(to, '127.0.0.1', () => {
      note(upstream, way);
      greet();
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    client.once('close', () => upstream.destroy());
  };

  const stage = { isPasswordNeeded: false };
  const refuses = (incoming: IncomingMessage) =>
    stage.isPasswordNeeded && incoming.headers['proxy-authorization'] === undefined;
  const proxy = createServer((incoming, response) => {
    const { hostname, port, pathname } = new URL(incoming.url ?? '');
    const to = portFor(hostname, Number(port || 80));
    if (refuses(incoming)) return void response.writeHead(407, { 'proxy-authenticate': 'Basic realm="x"' }).end();
    if (to === undefined) return void response.writeHead(502).end();
    const upstream = request(
      { port: to, host: '127.0.0.1', path: pathname, method: incoming.method, headers: incoming.headers, agent: false },
      (got) => got.pipe(response.writeHead(got.statusCode ?? 502, got.headers)),
    );
    upstream.on('socket', (socket) => socket.once('connect', () => note(socket, 'http')));
    incoming.pipe(upstream);
  });
  proxy.on('connect', (incoming, client: Socket) => {
    const [host = '', port] = (incoming.url ?? '').split(':');
    const to = portFor(host, Number(port));
    if (refuses(incoming))
      return void client.end('HTTP/1.1 407 No\r\nproxy-authenticate: Basic realm="x"\r\ncontent-length: 0\r\n\r\n');
    if (to === undefined) return void client.end('HTTP/1.1 502 No\r\n\r\n');
    join(client, { to, way: 'tunnel' }, () => client.write('HTTP/1.1 200 OK\r\n\r\n'));
  });
  const socks = createTcpServer((client) => {
    client.once('data', (greeting) => {
      if (greeting[0] === 4) {
        const host = [...greeting.subarray(4, 8)].join('.');
        const to = portFor(host, greeting.readUInt16BE(2));
        if (to === undefined) return void client.end(Buffer.from([0, 91, 0, 0, 0, 0, 0, 0]));
        return join(client, { to, way: 'socks4' }, () => client.write(Buffer.from([0, 90, 0, 0, 0, 0, 0, 0])));
      }
      client.write(Buffer.from([5, 0]));
      client.once('data', (asked) => {
        const isName = asked[3] === 3;
        const end = isName ? 5 + (asked[4] ?? 0) : 8;
        const host = isName ? asked.subarray(5, end).toString() : [...asked.subarray(4, 8)].join('.');
        const to = portFor(host, asked.readUInt16BE(end));
        const reply = (code: number) => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        if (to === undefined) return void client.end(reply(4));
        return join(client, { to, way: 'socks5' }, () => client.write(reply(0)));
      });
    });
  });
  await Promise.all([listen(proxy), listen(socks)]);

  const servers = [site, secureSite, proxy, socks];
  for (const server of servers) {
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => sockets.delete(socket));
    });
  }
  return Object.assign(stage, {
    httpUrl: `http://127.0.0.1:${portOf(site)}`,
    httpsUrl: `https://127.0.0.1:${portOf(secureSite)}`,
    proxy: `127.0.0.1:${portOf(proxy)}`,
    socks: `127.0.0.1:${portOf(socks)}`,
    takeSeen: () => {
      const seen = { ways, headers, secureConnections };
      [ways, headers, secureConnections] = [[], [], 0];
      return seen;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  });
}

async function listen(server: Server | TcpServer): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function portOf(server: Server | TcpServer): number {
  return (server.address() as AddressInfo).port;
}
