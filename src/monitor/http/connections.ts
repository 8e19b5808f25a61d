/** The HTTP server below the routes: limits for the number of connections and for their times. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';

import type { Log } from '../../core/log.ts';
import { toClient } from './client.ts';

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Less than `maxConnections`, so that one client can't take all. */
  readonly maxConnectionsPerClient: number;
  /** The time from the first byte of a request to the end of its headers, or from the connection if no byte comes. */
  readonly headersMs: number;
  /** The time for the whole request with its body. */
  readonly requestMs: number;
  /** The interval at which the two limits above are checked. */
  readonly checkIntervalMs: number;
  /**
   * An answer is cut if the client reads nothing of it for this long, or for twice as long if it has read a part before. Streams of events
   * send something more often.
   */
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
/** Longer than one minute, after which most load balancers close an idle connection themselves. */
const KEEP_ALIVE_MS = 72_000;
const LOG_INTERVAL_MS = 60_000;

/** Returns a factory of servers, which share the limits: a host name with several addresses has one server for each address. */
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
    // This listener must run before the one of Node.js, which starts to read.
    server.prependListener('connection', admit);
    return server;
  };
}
