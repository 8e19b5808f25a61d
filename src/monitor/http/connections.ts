/** The HTTP server below the routes: how many connections there may be, and how long each may take for what. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';

import type { Log } from '../../core/log.ts';
import { toClient } from './client.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Less than all: one client must leave room for others. */
  readonly maxConnectionsPerClient: number;
  /** From the first byte of a request to the end of its headers; from the connection if nothing comes. */
  readonly headersMs: number;
  /** The whole request with its body. */
  readonly requestMs: number;
  /** How often the two limits above are looked at. */
  readonly checkIntervalMs: number;
  /** An answer of which the client takes nothing for so long, or for twice as long if it took a part before, is cut. Streams of events send something more often. */
  readonly stalledAnswerMs: number;
}

const LIMITS: ConnectionLimits = {
  maxConnections: 2_000,
  maxConnectionsPerClient: 1_500,
  headersMs: 10_000,
  requestMs: 10_000,
  checkIntervalMs: 1_000,
  stalledAnswerMs: 30_000,
};
const MAX_HEADER_BYTES = 16_384;
/** Longer than the minute after which usual load balancers close a connection themselves. */
const KEEP_ALIVE_MS = 72_000;
const LOG_INTERVAL_MS = 60_000;

/** Returns what makes the server: on a name with several addresses there are several servers, which share the limits. */
export function makeServerFactory(log: Log, limits = LIMITS): (handler: RequestListener) => Server {
  const byClient = new Map<string, number>();
  let total = 0;
  let loggedAtMs = -Infinity;

  const admit = (socket: Socket): void => {
    const client = toClient(socket.remoteAddress);
    const number = (byClient.get(client) ?? 0) + 1;
    if (total >= limits.maxConnections || number > limits.maxConnectionsPerClient) {
      socket.destroy();
      if (performance.now() - loggedAtMs < LOG_INTERVAL_MS) return;
      loggedAtMs = performance.now();
      log.warn('Too many connections; further ones are closed at once', { client, ofClient: number - 1, ofAll: total });
      return;
    }
    total += 1;
    byClient.set(client, number);
    socket.once('close', () => {
      total -= 1;
      const rest = (byClient.get(client) ?? 0) - 1;
      if (rest > 0) byClient.set(client, rest);
      else byClient.delete(client);
    });
  };

  return (handler) => {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: limits.headersMs,
        requestTimeout: limits.requestMs,
        connectionsCheckingInterval: limits.checkIntervalMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      handler,
    );
    server.timeout = limits.stalledAnswerMs;
    // Before the listener of Node itself, which begins to read.
    server.prependListener('connection', admit);
    return server;
  };
}
