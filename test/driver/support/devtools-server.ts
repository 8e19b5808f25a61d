import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

export interface DevToolsCall {
  readonly id: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly sessionId?: string;
}

/** The reply to a call: a result, an error, no answer (`never`), or the end of the connection (`close`). */
export type DevToolsReply = { readonly result: unknown } | { readonly error: string } | 'never' | 'close';

/** The reaction to a new connection: a killed browser of a Grid refuses it with 400, a frozen one is silent. */
export type ConnectionReaction = 'accepted' | 'refused' | 'silent';

/** A fake of a browser's DevTools endpoint. */
export interface DevToolsServer extends AsyncDisposable {
  readonly url: string;
  /** `host:port`, as in `goog:chromeOptions.debuggerAddress`. */
  readonly address: string;
  readonly calls: readonly DevToolsCall[];
  readonly connections: number;
  answer(method: string, reply: DevToolsReply): void;
  /** Sets the reaction to connections from now on. Default: they are accepted. */
  reactToConnections(reaction: ConnectionReaction): void;
  /** Resolves when a call of this method has been received. */
  waitForCall(method: string): Promise<DevToolsCall>;
  emit(event: object): void;
  /** Opens a page. A client that attaches to it gets this DevTools session. */
  openPage(sessionId: string, targetId: string): void;
  /** Ends all connections without a message, as a killed browser does. */
  drop(): void;
}

/** Opens a server. `pages` are its open pages: DevTools session -> target. */
export async function openDevToolsServer({
  pages = {},
}: { pages?: Record<string, string> } = {}): Promise<DevToolsServer> {
  const http: Server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ webSocketDebuggerUrl: server.url }));
  });
  const connections = new Set<Socket>();
  http.on('connection', (connection) => connections.add(connection));
  let reaction: ConnectionReaction = 'accepted';
  const sockets = new WebSocketServer({
    server: http,
    verifyClient: (_client: unknown, answer: (isAccepted: boolean, status?: number) => void) => {
      if (reaction !== 'silent') answer(reaction === 'accepted', 400);
    },
  });
  const replies = new Map<string, DevToolsReply>();
  const calls: DevToolsCall[] = [];
  const waiting: { method: string; resolve: (call: DevToolsCall) => void }[] = [];
  const clients = () => [...sockets.clients];
  const sessions = new Map<string, string>();
  const sessionOf = ({ params }: DevToolsCall) => sessions.get(String(params['targetId']));

  sockets.on('connection', (socket: WebSocket) => {
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const call = JSON.parse(data.toString()) as DevToolsCall;
      calls.push(call);
      const reply = replies.get(call.method) ?? { result: {} };
      if (reply === 'close') socket.terminate();
      else if (reply !== 'never') {
        if (call.method === 'Target.setDiscoverTargets') {
          for (const [sessionId, targetId] of Object.entries(pages)) server.openPage(sessionId, targetId);
        }
        const attached = call.method === 'Target.attachToTarget' ? { result: { sessionId: sessionOf(call) } } : reply;
        const outcome = 'error' in attached ? { error: { message: attached.error } } : attached;
        socket.send(JSON.stringify({ id: call.id, ...outcome }));
      }
      for (const entry of waiting.filter(({ method }) => method === call.method)) entry.resolve(call);
    });
  });

  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const server: DevToolsServer = {
    url: `ws://127.0.0.1:${port}/devtools/browser/1`,
    address: `localhost:${port}`,
    calls,
    get connections() {
      return clients().length;
    },
    answer: (method, reply) => void replies.set(method, reply),
    reactToConnections: (next) => void (reaction = next),
    waitForCall: (method) => {
      const seen = calls.find((call) => call.method === method);
      if (seen !== undefined) return Promise.resolve(seen);
      return new Promise((resolve) => waiting.push({ method, resolve }));
    },
    emit: (event) => {
      for (const client of clients()) client.send(JSON.stringify(event));
    },
    openPage: (sessionId, targetId) => {
      sessions.set(targetId, sessionId);
      const targetInfo = { targetId, type: 'page', url: 'about:blank' };
      server.emit({ method: 'Target.targetCreated', params: { targetInfo } });
    },
    drop: () => {
      for (const client of clients()) client.terminate();
    },
    async [Symbol.asyncDispose]() {
      // An upgrade without an answer is not among the connections of the server.
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}
