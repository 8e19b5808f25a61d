/** A socket to the browser itself, which answers without waiting for commands. */
import type { Agent } from 'node:http';

import { WebSocket } from 'ws';

export type ConnectionAnswer = 'accepted' | 'refused' | 'silent';

export interface BrowserSocket {
  /** Resolves when the browser has answered. Rejects with `DeadlineError` after `limitMs`, and with another error if the socket closes. */
  prove(limitMs: number): Promise<void>;
  /**
   * Tries another connection, which a Grid refuses if the browser is gone, although it leaves the existing one open, and which a frozen
   * browser does not answer (measured on Grid 4.47). Never rejects.
   */
  tryConnection(limitMs: number): Promise<ConnectionAnswer>;
}

export interface SocketRoute {
  readonly url: string;
  readonly agent?: Agent | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Connects and closes the connection again. Never rejects. */
export async function tryConnection(
  { url, agent, headers = {} }: SocketRoute,
  limitMs: number,
): Promise<ConnectionAnswer> {
  const socket = new WebSocket(url, { agent, headers, handshakeTimeout: limitMs });
  const { promise, resolve } = Promise.withResolvers<ConnectionAnswer>();
  socket.once('open', () => resolve('accepted'));
  socket.on('error', ({ message }) => resolve(message.includes('handshake has timed out') ? 'silent' : 'refused'));
  try {
    return await promise;
  } finally {
    socket.terminate();
  }
}
