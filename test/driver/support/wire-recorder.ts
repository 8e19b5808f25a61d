import { once } from 'node:events';
import { createServer, request as sendRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Texts that differ in each session: ids of a session, a window or an element, and an archive that contains the time. */
const OWN_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/f\.[0-9A-F]{32}\.d\.[0-9A-F]{32}\.e\.(\d+)/g, 'element-$1'],
  [/\b[0-9a-f]{32}\b/g, 'session'],
  [/\b[0-9A-F]{32}\b/g, 'window'],
  [/(?<="file":")[^"]+/g, 'archive'],
];

/** Opens a proxy before a WebDriver endpoint that forwards everything and records each request as sent, without the ids of its session. */
export async function openWireRecorder(targetUrl: string) {
  const requests: WireRequest[] = [];
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = Buffer.concat(await Array.fromAsync(incoming as AsyncIterable<Buffer>));
    const { method = '', url: path = '', headers } = incoming;
    const { host: _host, ...others } = headers;
    const neutral = (text: string) => OWN_TEXTS.reduce((all, [id, name]) => all.replace(id, name), text);
    requests.push({ method, path: neutral(path), headers: others, body: neutral(body.toString()) });
    const passedOn = sendRequest(new URL(path, targetUrl), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    passedOn.on('error', () => outgoing.destroy());
    passedOn.end(body);
  };
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
