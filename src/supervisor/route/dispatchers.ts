/** The connections of API calls: one undici dispatcher for each way to a server. */
import { isIPv4, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { lookup as lookUp } from 'node:dns';
import { lookup } from 'node:dns/promises';

import { SocksClient } from 'socks';
import { Agent, buildConnector, Pool, ProxyAgent, type Dispatcher } from 'undici';

import { toError } from '../../core/errors.ts';
import type { ProxyServer } from './proxy-rules.ts';

/** No connection through the proxy came about, and nothing of the call was sent. */
export class NoProxyConnectionError extends Error {}

/** Chromium takes all of these names for this machine; many resolvers don't know them. */
export const LOCAL_NAME = /\.localhost\.?$/;
const CONNECT_LIMIT_MS = 10_000;
/** The calls to the system that come before anything is sent. */
const CONNECT_SYSCALL = /^(connect|getaddrinfo)/;
/** The answer of a SOCKS proxy that was reached. */
const SOCKS_REFUSAL = /rejected/;

type RealProxy = Exclude<ProxyServer, { kind: 'direct' }>;
type Connector = ReturnType<typeof buildConnector>;

export function makeDispatcher(server: ProxyServer, tls: buildConnector.BuildOptions): Dispatcher {
  if (server.kind === 'direct') return new Agent({ connect: { ...tls, lookup: lookUpAsChromium } });
  // Chromium asks a proxy for http URLs by name and opens tunnels for https only; many proxies allow no other tunnels.
  if (server.kind === 'http' || server.kind === 'https')
    return new ProxyAgent({
      uri: nameOf(server),
      requestTls: tls,
      proxyTls: tls,
      proxyTunnel: false,
      clientFactory: makeTunnelPool,
    });
  const connectTls = buildConnector(tls);
  return new Agent({ connect: (target, callback) => void connectBySocks({ server, target, connectTls }, callback) });
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
function makeTunnelPool(origin: URL, options: object): Pool {
  const pool = new Pool(origin, options);
  const open: (asked: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData> = pool.connect.bind(pool);
  return Object.assign(pool, {
    connect: (asked: Dispatcher.ConnectOptions) => open(asked).catch(throwAsUnsent),
  });
}

function throwAsUnsent(cause: unknown): never {
  throw new NoProxyConnectionError('no connection through the proxy', { cause });
}

const lookUpAsChromium: LookupFunction = (name, options, callback) =>
  lookUp(LOCAL_NAME.test(name) ? 'localhost' : name, options, callback);

async function connectBySocks(
  { server, target, connectTls }: { server: RealProxy; target: buildConnector.Options; connectTls: Connector },
  callback: buildConnector.Callback,
): Promise<void> {
  let socket;
  try {
    socket = await openSocks(server, target);
  } catch (thrown) {
    callback(toError(thrown), null);
    return;
  }
  if (target.protocol === 'https:') connectTls({ ...target, httpSocket: socket }, callback);
  else callback(null, socket);
}

async function openSocks(
  { kind, host, port }: RealProxy,
  { hostname, port: toPort, protocol }: buildConnector.Options,
): Promise<Socket> {
  const name = hostname.replace(/^\[|\]$/g, '');
  // SOCKS 4 has no names; Chromium looks them up itself.
  const to = kind === 'socks4' && !isIPv4(name) ? (await lookup(name, 4)).address : name;
  try {
    const { socket } = await SocksClient.createConnection({
      proxy: { host: host.replace(/^\[|\]$/g, ''), port, type: kind === 'socks4' ? 4 : 5 },
      command: 'connect',
      destination: { host: to, port: Number(toPort) || (protocol === 'https:' ? 443 : 80) },
      timeout: CONNECT_LIMIT_MS,
    });
    return socket;
  } catch (thrown) {
    if (SOCKS_REFUSAL.test(toError(thrown).message)) throw thrown;
    return throwAsUnsent(thrown);
  }
}
