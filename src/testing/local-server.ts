import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What answers the requests of a {@link LocalServer}; a rejection resets the connection. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Takes over a connection that asks for another protocol (WebSocket). */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * An HTTP server on 127.0.0.1 that knows all its connections, so that it can lose them on purpose and ends them all
 * at its close. It never ends an idle or a slow connection by itself: a fault that no test asked for is noise.
 */
export class LocalServer {
  readonly port: number;
  readonly #server;
  readonly #sockets = new Set<Socket>();
  #isRefusing = false;

  /** Listens on 127.0.0.1; port 0 takes a free one. Requests are answered once {@link serve} has said how. */
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

  /** Without `onUpgrade`, connections that ask for another protocol are ended. */
  serve(handle: RequestHandler, onUpgrade: UpgradeHandler = (_request, socket) => socket.destroy()): void {
    this.#server.on('request', (request, response) => void answerOrReset(handle, request, response));
    this.#server.on('upgrade', onUpgrade);
  }

  /** Base URL without a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Resolves at the next end of a connection, whoever ended it. */
  waitForDisconnect(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return Promise.race(
      [...this.#sockets].map((open) => new Promise<void>((resolve) => open.once('close', () => resolve()))),
    );
  }

  /** Resets all open connections; new ones are welcome. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** From now on every connection, open or new, is reset: the clients see ECONNRESET. */
  refuse(): void {
    this.#isRefusing = true;
    this.dropConnections();
  }

  restore(): void {
    this.#isRefusing = false;
  }

  /** Ends all connections at once, whatever is being answered on them, and the server. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** The whole body as text. Rejects when the client goes away before its end. */
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
