/** Opens the connections of API calls, with one undici dispatcher for each route to a server. */
import { lookup as lookUp } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP, isIPv4, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

import { Agent, buildConnector, Pool, ProxyAgent, type Dispatcher } from 'undici';

import { toError } from '../../core/errors.ts';
import { importOptional } from '../../core/optional-package.ts';
import type { HostAndPort, HostRules } from './host-rules.ts';
import type { ProxyServer } from './proxy-rules.ts';

/** The connection through the proxy could not be opened. Nothing of the call was sent. */
class NoProxyConnectionError extends Error {}

/** Chromium resolves all of these names to loopback; many resolvers can't resolve them. */
const LOCAL_NAME = /\.localhost\.?$/;
const CONNECT_LIMIT_MS = 10_000;
/** The system calls that come before any data is sent. */
const CONNECT_SYSCALL = /^(connect|getaddrinfo)/;
/** The error of a SOCKS proxy that was reached and rejected the call. */
const SOCKS_REFUSAL = /rejected/;

type RealProxy = Exclude<ProxyServer, { kind: 'direct' }>;
type Headers = NonNullable<Dispatcher.DispatchOptions['headers']>;
type Connector = ReturnType<typeof buildConnector>;

export interface DispatcherOptions {
  readonly tls: buildConnector.BuildOptions;
  readonly hosts: HostRules;
  /** Closes all connections when it aborts, also those that are still being opened. */
  readonly signal: AbortSignal;
}

export function makeDispatcher(server: ProxyServer, { tls, hosts, signal }: DispatcherOptions): Dispatcher {
  const sockets = new OpenSockets();
  const dispatcher = toDispatcher(server, { tls, hosts, sockets });
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

/** The sockets of one dispatcher, also those that are still being opened: undici waits for those when it is destroyed. */
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

/** Removes the `Accept-Language: *` that `fetch` adds to a call without the header. No browser sends it. */
function withoutAnyLanguage(dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] {
  return (options, handler) => dispatch({ ...options, headers: dropAnyLanguage(options.headers ?? {}) }, handler);
}

function dropAnyLanguage(headers: Headers): Headers {
  // `fetch` passes the headers as an object.
  if (Array.isArray(headers) || Symbol.iterator in headers) return headers;
  return Object.fromEntries(
    Object.entries(headers).filter(([name, value]) => name.toLowerCase() !== 'accept-language' || value !== '*'),
  );
}

interface Parts {
  readonly tls: buildConnector.BuildOptions;
  readonly hosts: HostRules;
  readonly sockets: OpenSockets;
}

function toDispatcher(server: ProxyServer, { tls, hosts, sockets }: Parts): Dispatcher {
  if (server.kind === 'direct') {
    const open = buildConnector({ ...tls, lookup: lookUpAsChromium });
    return new Agent({ connect: noted(sockets, mapped(hosts, open)) });
  }
  let reached: RealProxy;
  try {
    reached = { ...server, ...hosts.apply({ host: unbracketed(server.host), port: server.port }) };
  } catch (thrown) {
    return new Agent({ connect: (_target, callback) => callback(toError(thrown), null) });
  }
  // Chromium opens tunnels only for https and sends http URLs to the proxy as they are; many proxies allow no other tunnels.
  if (server.kind === 'http' || server.kind === 'https')
    return new ProxyAgent({
      uri: nameOf(reached),
      requestTls: tls,
      proxyTls: isIP(server.host) === 0 ? { ...tls, servername: server.host } : tls,
      proxyTunnel: false,
      factory: (origin, options: Pool.Options) => new Pool(origin, toNoting(options, sockets)),
      clientFactory: (origin, options: Pool.Options) => makeTunnelPool(origin, { options, sockets }),
    });
  const connectTls = buildConnector(tls);
  return new Agent({
    connect: (target, callback) =>
      void connectBySocks({ server: reached, target, connectTls, hosts, sockets }, callback),
  });
}

/** Connects to the host that the rules name. The certificate must still be valid for the host of the URL. */
function mapped(hosts: HostRules, open: Connector): Connector {
  return (target, callback) => {
    try {
      const { host, port } = hosts.apply({ host: unbracketed(target.hostname), port: portOf(target) });
      return open({ ...target, hostname: host, port: String(port) }, callback);
    } catch (thrown) {
      callback(toError(thrown), null);
      return undefined;
    }
  };
}

function portOf({ port, protocol }: buildConnector.Options): number {
  return Number(port) || (protocol === 'https:' ? 443 : 80);
}

function unbracketed(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

/** Returns the name of a server, such as `http://proxy.test:3128`. */
export function nameOf(server: ProxyServer): string {
  if (server.kind === 'direct') return 'direct://';
  const host = isIPv6(server.host) ? `[${server.host}]` : server.host;
  return `${server.kind}://${host}:${server.port}`;
}

/**
 * Returns true if `fetch` rejected with `thrown` before anything of the call was sent. Codes alone don't show it: an established connection
 * can also end with ECONNRESET, ETIMEDOUT and EHOSTUNREACH.
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

/** Returns the pool of connections to a proxy for tunnels. */
function makeTunnelPool(origin: URL, { options, sockets }: { options: Pool.Options; sockets: OpenSockets }): Pool {
  const pool = new Pool(origin, { ...toNoting(options, sockets), headersTimeout: CONNECT_LIMIT_MS });
  const open: (asked: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData> = pool.connect.bind(pool);
  return Object.assign(pool, {
    connect: async (asked: Dispatcher.ConnectOptions) => {
      const data = await open(asked).catch(throwAsUnsent);
      // The pool has passed the socket on, and no longer closes it.
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
    // undici's connectors return the socket, although their types don't declare it.
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
  readonly hosts: HostRules;
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

async function openSocks({ server: { kind, host, port }, target, hosts, sockets }: SocksTarget): Promise<Socket> {
  const asked = { host: unbracketed(target.hostname), port: portOf(target) };
  const destination = kind === 'socks4' ? await lookUpForSocks4(asked, hosts) : asked;
  const proxy = { host: unbracketed(host), port };
  const { SocksClient } = await importOptional('socks', () => import('socks'));
  const socket = connect(proxy);
  sockets.add(socket);
  socket.on('error', () => undefined);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_LIMIT_MS) });
    await SocksClient.createConnection({
      proxy: { ...proxy, type: kind === 'socks4' ? 4 : 5 },
      command: 'connect',
      destination,
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

/**
 * Resolves a name for SOCKS 4, which supports only addresses, as Chromium does. Chromium applies the host of a rule, but not its port
 * (measured).
 */
async function lookUpForSocks4({ host, port }: HostAndPort, hosts: HostRules): Promise<HostAndPort> {
  const { host: reached } = hosts.apply({ host, port });
  return { host: isIPv4(reached) ? reached : (await lookup(reached, 4)).address, port };
}
