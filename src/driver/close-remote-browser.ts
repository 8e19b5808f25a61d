import { once } from 'node:events';

import { WebSocket } from 'ws';

import { settlesWithin } from '../core/abort.ts';
import { connectToFirst, listSocketAddresses, type SocketAddress } from './endpoint-socket.ts';
import type { HttpClient } from './http-client.ts';
import type { RemoteSession } from './remote-watchdog.ts';

const CONNECT_LIMIT_MS = 1_000;
/** A browser without its driver closes within 0.1 s. */
const CLOSE_LIMIT_MS = 1_000;

/** The sockets of a session at a Grid, and the request that closes the browser. A browser has one of them. */
const SOCKETS = [
  ['se/cdp', { id: 1, method: 'Browser.close' }],
  ['se/bidi', { id: 1, method: 'browser.close', params: {} }],
] as const;

/**
 * Closes the browser of a Grid's session over DevTools, or over BiDi for Firefox: nothing else ends a browser whose driver is gone or was killed
 * (measured on 4.47). Does nothing if the browser can't be reached. Never rejects.
 */
export async function closeRemoteBrowser(session: RemoteSession, http: HttpClient): Promise<void> {
  for (const [path, request] of SOCKETS) if (await close(session, { path, request, http })) return;
}

/** Returns false if the browser can't be reached by this socket. */
async function close(
  { url, route, sessionId }: RemoteSession,
  { path, request, http }: { readonly path: string; readonly request: object; readonly http: HttpClient },
): Promise<boolean> {
  const offered = new URL(`/session/${encodeURIComponent(sessionId)}/${path}`, url.replace(/^http/, 'ws'));
  const addresses = listSocketAddresses(offered.href, { kind: 'endpoint', url, ...(route && { route }) });
  try {
    const { socket } = await connectToFirst(addresses, (address) => connect(address, http));
    const closed = once(socket, 'close');
    socket.send(JSON.stringify(request));
    await settlesWithin(closed, CLOSE_LIMIT_MS);
    socket.terminate();
    return true;
  } catch {
    // A Grid without this socket, or a browser that is gone.
    return false;
  }
}

async function connect({ url, headers }: SocketAddress, { socketAgent: agent }: HttpClient): Promise<WebSocket> {
  const socket = new WebSocket(url, { headers, agent, handshakeTimeout: CONNECT_LIMIT_MS });
  await once(socket, 'open');
  socket.on('error', () => undefined);
  return socket;
}
