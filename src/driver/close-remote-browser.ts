import { once } from 'node:events';

import { WebSocket } from 'ws';

import { settlesWithin } from '../core/abort.ts';
import { connectToFirst, listSocketAddresses, type SocketAddress } from './endpoint-socket.ts';
import type { HttpClient } from './http-client.ts';
import type { RemoteSession } from './remote-watchdog.ts';

const CONNECT_LIMIT_MS = 1_000;
/** A browser without its driver closes within 0.1 s. */
const CLOSE_LIMIT_MS = 1_000;

/**
 * Closes the browser of a Grid's session over DevTools: nothing else ends a browser whose driver is gone or was killed (measured on 4.47). Does
 * nothing if the browser can't be reached. Never rejects.
 */
export async function closeRemoteBrowser({ url, route, sessionId }: RemoteSession, http: HttpClient): Promise<void> {
  const offered = new URL(`/session/${encodeURIComponent(sessionId)}/se/cdp`, url.replace(/^http/, 'ws'));
  const addresses = listSocketAddresses(offered.href, { kind: 'endpoint', url, ...(route && { route }) });
  try {
    const { socket } = await connectToFirst(addresses, (address) => connect(address, http));
    const closed = once(socket, 'close');
    socket.send(JSON.stringify({ id: 1, method: 'Browser.close' }));
    await settlesWithin(closed, CLOSE_LIMIT_MS);
    socket.terminate();
  } catch {
    // A Grid without DevTools, or a browser that is gone.
  }
}

async function connect({ url, headers }: SocketAddress, { socketAgent: agent }: HttpClient): Promise<WebSocket> {
  const socket = new WebSocket(url, { headers, agent, handshakeTimeout: CONNECT_LIMIT_MS });
  await once(socket, 'open');
  socket.on('error', () => undefined);
  return socket;
}
