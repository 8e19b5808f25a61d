import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Answers the requests of a {@link LocalServer}. A rejection resets the connection. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Takes over a connection that requests another protocol (WebSocket). */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * An HTTP server on 127.0.0.1 that tracks all its connections, so that it can break them on purpose and ends them all when it closes. It
 * never ends an idle or slow connection by itself, because no test asked for that fault.
 */
export class LocalServer {
  readonly port: number;
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #isRefusing = false;

  /** Listens on 127.0.0.1; port 0 takes a free port. Requests are answered after {@link serve} was called. */
  static async open(port = 0): Promise<LocalServer> {
    const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new LocalServer(server);
  }

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy());
      if (this.#isRefusing) return void socket.resetAndDestroy();
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Sets the handlers. Without `onUpgrade`, connections that request another protocol are ended. */
  serve(handle: RequestHandler, onUpgrade: UpgradeHandler = (_request, socket) => socket.destroy()): void {
    this.#server.on('request', (request, response) => void answerOrReset(handle, request, response));
    this.#server.on('upgrade', onUpgrade);
  }

  /** The base URL without a trailing slash. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Resolves when the next connection ends, regardless of the side that ends it; at once if there is none. */
  waitForDisconnect(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return Promise.race(
      [...this.#sockets].map((open) => new Promise<void>((resolve) => open.once('close', () => resolve()))),
    );
  }

  /** Resets all open connections; new ones are accepted. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets every connection, open or new, until {@link restore}. Clients get ECONNRESET. */
  refuse(): void {
    this.#isRefusing = true;
    this.dropConnections();
  }

  restore(): void {
    this.#isRefusing = false;
  }

  /** Ends the server and all connections at once, answers in progress included. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Reads the whole body as text. Rejects if the client disconnects before its end. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function answerOrReset(
  handle: RequestHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => response.destroy());
  try {
    await handle(request, response);
  } catch {
    request.socket.resetAndDestroy();
  }
}
