/** The connections of API calls: one undici dispatcher for each way to a server. */
import { lookup as lookUp } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIPv4, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

import { SocksClient } from 'socks';
import { Agent, buildConnector, Pool, ProxyAgent, type Dispatcher } from 'undici';

import { toError } from '../../core/errors.ts';
import type { ProxyServer } from './proxy-rules.ts';

/** No connection through the proxy came about, and nothing of the call was sent. */
export class NoProxyConnectionError extends Error {}

/** Chromium takes all of these names for this machine; many resolvers don't know them. */
const LOCAL_NAME = /\.localhost\.?$/;
const CONNECT_LIMIT_MS = 10_000;
/** The calls to the system that come before anything is sent. */
const CONNECT_SYSCALL = /^(connect|getaddrinfo)/;
/** The answer of a SOCKS proxy that was reached. */
const SOCKS_REFUSAL = /rejected/;

type RealProxy = Exclude<ProxyServer, { kind: 'direct' }>;
type Headers = NonNullable<Dispatcher.DispatchOptions['headers']>;
type Connector = ReturnType<typeof buildConnector>;

export interface DispatcherOptions {
  readonly tls: buildConnector.BuildOptions;
  /** Ends all connections, those included that are only being opened. */
  readonly signal: AbortSignal;
}

export function makeDispatcher(server: ProxyServer, { tls, signal }: DispatcherOptions): Dispatcher {
  const sockets = new OpenSockets();
  const dispatcher = toDispatcher(server, { tls, sockets });
  const end = () => {
    sockets.end();
    void dispatcher.destroy().catch(() => undefined);
  };
  signal.addEventListener('abort', end, { once: true });
  return dispatcher.compose(withoutAnyLanguage);
}

class SessionOverError extends Error {
  override readonly message = 'the session has ended';
}

/** The sockets of one dispatcher, those included that are only being opened: undici waits for those when it is destroyed. */
class OpenSockets {
  readonly #sockets = new Set<Duplex>();
  #isOver = false;

  add(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#isOver) socket.destroy(new SessionOverError());
  }

  end(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy(new SessionOverError());
  }
}

/** `fetch` adds `Accept-Language: *`, which no browser sends, to a call that has none. */
function withoutAnyLanguage(dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] {
  return (options, handler) => dispatch({ ...options, headers: dropAnyLanguage(options.headers ?? {}) }, handler);
}

function dropAnyLanguage(headers: Headers): Headers {
  // `fetch` gives them as an object.
  if (Array.isArray(headers) || Symbol.iterator in headers) return headers;
  return Object.fromEntries(
    Object.entries(headers).filter(([name, value]) => name.toLowerCase() !== 'accept-language' || value !== '*'),
  );
}

interface Parts {
  readonly tls: buildConnector.BuildOptions;
  readonly sockets: OpenSockets;
}

function toDispatcher(server: ProxyServer, { tls, sockets }: Parts): Dispatcher {
  if (server.kind === 'direct')
    return new Agent({ connect: noted(sockets, buildConnector({ ...tls, lookup: lookUpAsChromium })) });
  // Chromium asks a proxy for http URLs by name and opens tunnels for https only; many proxies allow no other tunnels.
  if (server.kind === 'http' || server.kind === 'https')
    return new ProxyAgent({
      uri: nameOf(server),
      requestTls: tls,
      proxyTls: tls,
      proxyTunnel: false,
      factory: (origin, options: Pool.Options) => new Pool(origin, toNoting(options, sockets)),
      clientFactory: (origin, options: Pool.Options) => makeTunnelPool(origin, { options, sockets }),
    });
  const connectTls = buildConnector(tls);
  return new Agent({
    connect: (target, callback) => void connectBySocks({ server, target, connectTls, sockets }, callback),
  });
}

/** Such as `http://proxy.test:3128`. */
export function nameOf(server: ProxyServer): string {
  if (server.kind === 'direct') return 'direct://';
  const host = isIPv6(server.host) ? `[${server.host}]` : server.host;
  return `${server.kind}://${host}:${server.port}`;
}

/**
 * Returns whether `fetch` rejected with `thrown` before anything of the call was sent. Codes alone don't show it: a connection that is in
 * use can end with ECONNRESET, ETIMEDOUT and EHOSTUNREACH, too.
 */
export function isUnsent(thrown: unknown): boolean {
  const { cause } = toError(thrown);
  return cause instanceof NoProxyConnectionError || isConnectFailure(cause);
}

function isConnectFailure(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isConnectFailure);
  if (!(error instanceof Error)) return false;
  const { code, syscall = '' } = error as NodeJS.ErrnoException;
  return code === 'UND_ERR_CONNECT_TIMEOUT' || CONNECT_SYSCALL.test(syscall);
}

/** Returns the connections to a proxy on which tunnels are asked for. */
function makeTunnelPool(origin: URL, { options, sockets }: { options: Pool.Options; sockets: OpenSockets }): Pool {
  const pool = new Pool(origin, { ...toNoting(options, sockets), headersTimeout: CONNECT_LIMIT_MS });
  const open: (asked: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData> = pool.connect.bind(pool);
  return Object.assign(pool, {
    connect: async (asked: Dispatcher.ConnectOptions) => {
      const data = await open(asked).catch(throwAsUnsent);
      // The pool has handed the socket over, and does not close it any more.
      sockets.add(data.socket);
      return data;
    },
  });
}

function toNoting(options: Pool.Options, sockets: OpenSockets): Pool.Options {
  return typeof options.connect === 'function' ? { ...options, connect: noted(sockets, options.connect) } : options;
}

function noted(sockets: OpenSockets, open: Connector): Connector {
  return (target, callback) => {
    // undici's connectors return the socket; its types don't say so.
    const socket: unknown = open(target, callback);
    if (socket instanceof Duplex) sockets.add(socket);
  };
}

function throwAsUnsent(cause: unknown): never {
  throw new NoProxyConnectionError('no connection through the proxy', { cause });
}

const lookUpAsChromium: LookupFunction = (name, options, callback) =>
  lookUp(LOCAL_NAME.test(name) ? 'localhost' : name, options, callback);

interface SocksTarget {
  readonly server: RealProxy;
  readonly target: buildConnector.Options;
  readonly sockets: OpenSockets;
}

async function connectBySocks(
  { connectTls, ...asked }: SocksTarget & { readonly connectTls: Connector },
  callback: buildConnector.Callback,
): Promise<void> {
  let socket;
  try {
    socket = await openSocks(asked);
  } catch (thrown) {
    callback(toError(thrown), null);
    return;
  }
  if (asked.target.protocol === 'https:') connectTls({ ...asked.target, httpSocket: socket }, callback);
  else callback(null, socket);
}

async function openSocks({ server: { kind, host, port }, target, sockets }: SocksTarget): Promise<Socket> {
  const name = target.hostname.replace(/^\[|\]$/g, '');
  // SOCKS 4 has no names; Chromium looks them up itself.
  const to = kind === 'socks4' && !isIPv4(name) ? (await lookup(name, 4)).address : name;
  const proxy = { host: host.replace(/^\[|\]$/g, ''), port };
  const socket = connect(proxy);
  sockets.add(socket);
  socket.on('error', () => undefined);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_LIMIT_MS) });
    await SocksClient.createConnection({
      proxy: { ...proxy, type: kind === 'socks4' ? 4 : 5 },
      command: 'connect',
      destination: { host: to, port: Number(target.port) || (target.protocol === 'https:' ? 443 : 80) },
      timeout: CONNECT_LIMIT_MS,
      existing_socket: socket,
    });
    return socket;
  } catch (thrown) {
    socket.destroy();
    if (SOCKS_REFUSAL.test(toError(thrown).message)) throw thrown;
    return throwAsUnsent(thrown);
  }
}
