import { once } from 'node:events';
import { createServer, request as sendRequest } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ForwardProxyOptions {
  /** Ports on 127.0.0.1 by host names that only the proxy resolves. Other hosts are resolved as usual. */
  readonly hosts?: Readonly<Record<string, number>>;
  /** `user:password` that every request must send. */
  readonly login?: string;
}

/** Opens a proxy for HTTP requests in absolute form and for tunnels (CONNECT). `requests` has the method and target of each request. */
export async function openForwardProxy({ hosts = {}, login }: ForwardProxyOptions = {}) {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const expected = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  const resolve = (hostname: string, port: number) =>
    hosts[hostname] === undefined ? { host: hostname, port } : { host: '127.0.0.1', port: hosts[hostname] };
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming;
    requests.push(`${method} ${url}`);
    if (headers['proxy-authorization'] !== expected) return void outgoing.writeHead(407).end();
    const target = new URL(url);
    const { 'proxy-authorization': _login, ...passed } = headers;
    const to = resolve(target.hostname, Number(target.port || 80));
    const passedOn = sendRequest(
      { ...to, method, path: target.pathname + target.search, headers: passed },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      },
    );
    passedOn.on('error', () => outgoing.destroy());
    incoming.pipe(passedOn);
  });
  server.on('connect', (incoming, client: Socket) => {
    requests.push(`CONNECT ${incoming.url}`);
    if (incoming.headers['proxy-authorization'] !== expected) return void client.end('HTTP/1.1 407 \r\n\r\n');
    const [hostname = '', port] = (incoming.url ?? '').split(':');
    const upstream = connect(resolve(hostname, Number(port)), () => {
      client.write('HTTP/1.1 200 \r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => [client, upstream].forEach((end) => end.destroy()));
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
