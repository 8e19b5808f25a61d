import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { startRealDriver } from './real-driver.ts';

const BROWSER_FLAGS = [
  '--headless=new',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--no-sandbox',
];

/** A real chromedriver that presents itself as the driver of a browser without DevTools. */
export interface DisguisedDriver extends AsyncDisposable {
  readonly url: string;
  /** The commands received, such as `POST /url`, without session ids. */
  readonly commands: readonly string[];
}

/**
 * Starts chromedriver behind a server that reports the browser `firefox` and hides DevTools. With `bidi`, its sessions have a BiDi socket.
 * chromedriver then closes alerts itself unless the capabilities contain `ignore`.
 */
export async function startDisguisedDriver({ bidi }: { readonly bidi: boolean }): Promise<DisguisedDriver> {
  const driver = await startRealDriver();
  const commands: string[] = [];
  const alwaysMatch = {
    'goog:chromeOptions': { args: BROWSER_FLAGS },
    ...(bidi && { webSocketUrl: true, unhandledPromptBehavior: 'ignore' }),
  };
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url = '/' } = request;
    const isStart = method === 'POST' && url === '/session';
    const sent = await textOf(request);
    const body = isStart ? JSON.stringify({ capabilities: { alwaysMatch } }) : sent;
    commands.push(`${method} ${url.replace(/^\/session\/[^/]+/, '')}`);
    try {
      const answer = await fetch(driver.url + url, { method, ...(method === 'POST' && { body }) });
      const text = await answer.text();
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(isStart ? disguise(text) : text);
    } catch {
      response.destroy();
    }
  };
  const server = createServer((request, response) => void handle(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commands,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
      await driver[Symbol.asyncDispose]();
    },
  };
}

function disguise(text: string): string {
  const { value } = JSON.parse(text) as { value: { capabilities: Record<string, unknown> } };
  delete value.capabilities['goog:chromeOptions'];
  value.capabilities['browserName'] = 'firefox';
  return JSON.stringify({ value });
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
