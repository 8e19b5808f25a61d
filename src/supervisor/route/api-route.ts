/** The way that API calls take: through the browser's proxy, and with its decision about certificates. */
import { isIPv4, isIPv6, type LookupFunction, type Socket } from 'node:net';
import { lookup as lookUp } from 'node:dns';
import { lookup } from 'node:dns/promises';

import { SocksClient } from 'socks';
import { Agent, buildConnector, Dispatcher1Wrapper, ProxyAgent, type Dispatcher } from 'undici';

import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { innermostCause, UnsendableError } from './fetch-failure.ts';
import { PacFile } from './pac-file.ts';
import { DIRECT, hasSwitch, toProxyRules, type ProxyRules, type ProxyServer } from './proxy-rules.ts';
import { BypassList } from './bypass-list.ts';

export interface ApiRouteOptions {
  /** The browser's command-line switches. */
  readonly switches: () => Promise<readonly string[]>;
  /** The browser's environment; undefined if it is not known. */
  readonly environment: Readonly<Record<string, string | undefined>> | undefined;
  /** Whether the session accepts certificates that can't be verified, besides the switch that says so. */
  readonly acceptsInsecureCerts: boolean;
  readonly log: Log;
}

/** Failures to reach a proxy, after which Chromium tries the next one. */
const UNREACHABLE = /^(ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)/;
const CONNECT_LIMIT_MS = 10_000;
/** Chromium takes all of these names for this machine; many resolvers don't know them. */
const LOCAL_NAME = /\.localhost\.?$/;
const NO_BYPASS = new BypassList();

interface Decision {
  readonly rules: ProxyRules;
  readonly isInsecure: boolean;
}

type RealProxy = Exclude<ProxyServer, { kind: 'direct' }>;
type Connector = ReturnType<typeof buildConnector>;

export class ApiRoute {
  readonly #options: ApiRouteOptions;
  readonly #dispatchers = new Map<string, Dispatcher>();
  #decision: Promise<Decision> | undefined;
  #pac: Promise<PacFile | undefined> | undefined;

  constructor(options: ApiRouteOptions) {
    this.#options = options;
  }

  /** Like the global `fetch`. Tries the proxies of `url` in turn while they can't be reached. */
  async fetch(url: string, init: RequestInit): Promise<Response> {
    const { rules, isInsecure } = await this.#decide();
    const servers = await this.#serversFor(url, rules);
    for (const [index, server] of servers.entries()) {
      try {
        return await fetch(url, { ...init, ...this.#dispatcherInit(server, { url, isInsecure }) });
      } catch (thrown) {
        const isLast = index === servers.length - 1 || init.body instanceof ReadableStream;
        if (isLast || !isUnreachable(thrown)) throw withProxyName(thrown, server);
      }
    }
    throw new TypeError('fetch failed', { cause: new Error('the browser has an empty list of proxies') });
  }

  #decide(): Promise<Decision> {
    this.#decision ??= (async () => {
      const { switches, environment, acceptsInsecureCerts } = this.#options;
      const given = await switches();
      const isInsecure = acceptsInsecureCerts || hasSwitch(given, 'ignore-certificate-errors');
      return { rules: toProxyRules(given, environment), isInsecure };
    })().catch((thrown: unknown) => {
      this.#decision = undefined;
      throw thrown;
    });
    return this.#decision;
  }

  async #serversFor(url: string, rules: ProxyRules): Promise<readonly ProxyServer[]> {
    if ((rules.kind === 'servers' ? rules.bypass : NO_BYPASS).has(url)) return DIRECT;
    if (rules.kind === 'servers') return url.startsWith('https:') ? rules.https : rules.http;
    if (rules.kind === 'unusable') throw new TypeError('fetch failed', { cause: new UnsendableError(rules.reason) });
    this.#pac ??= this.#orDirect(PacFile.load(rules.url));
    const file = await this.#pac;
    return (await this.#orDirect(file?.serversFor(url))) ?? DIRECT;
  }

  /** Chromium goes without a proxy if a PAC file can't be loaded, or fails. */
  async #orDirect<Value>(work: Promise<Value> | undefined): Promise<Value | undefined> {
    try {
      return await work;
    } catch (thrown) {
      const reason = toError(thrown).message;
      this.#options.log.warn('The proxy’s PAC file failed: the call goes without a proxy, as in Chromium', { reason });
      return undefined;
    }
  }

  /** Without a proxy and with checked certificates, calls share the connections of the global `fetch`. */
  #dispatcherInit(
    server: ProxyServer,
    { url, isInsecure }: { readonly url: string; readonly isInsecure: boolean },
  ): object {
    if (server.kind === 'direct' && !isInsecure && !LOCAL_NAME.test(new URL(url).hostname)) return {};
    const key = nameOf(server);
    let dispatcher = this.#dispatchers.get(key);
    if (dispatcher === undefined) {
      // Node's own fetch speaks the protocol of an older undici.
      dispatcher = new Dispatcher1Wrapper(makeDispatcher(server, { rejectUnauthorized: !isInsecure, allowH2: false }));
      this.#dispatchers.set(key, dispatcher);
    }
    return { dispatcher };
  }
}

type TlsOptions = buildConnector.BuildOptions;

function makeDispatcher(server: ProxyServer, tls: TlsOptions): Dispatcher {
  if (server.kind === 'direct') return new Agent({ connect: { ...tls, lookup: lookUpAsChromium } });
  // Chromium asks a proxy for http URLs by name and opens tunnels for https only; many proxies allow no other tunnels.
  if (server.kind === 'http' || server.kind === 'https')
    return new ProxyAgent({ uri: nameOf(server), requestTls: tls, proxyTls: tls, proxyTunnel: false });
  const connectTls = buildConnector(tls);
  return new Agent({ connect: (target, callback) => void connectBySocks({ server, target, connectTls }, callback) });
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
  const { socket } = await SocksClient.createConnection({
    proxy: { host: host.replace(/^\[|\]$/g, ''), port, type: kind === 'socks4' ? 4 : 5 },
    command: 'connect',
    destination: { host: to, port: Number(toPort) || (protocol === 'https:' ? 443 : 80) },
    timeout: CONNECT_LIMIT_MS,
  });
  return socket;
}

function nameOf(server: ProxyServer): string {
  if (server.kind === 'direct') return 'direct://';
  const host = isIPv6(server.host) ? `[${server.host}]` : server.host;
  return `${server.kind}://${host}:${server.port}`;
}

function isUnreachable(thrown: unknown): boolean {
  const { cause } = toError(thrown);
  if (!(cause instanceof Error)) return false;
  return UNREACHABLE.test((cause as NodeJS.ErrnoException).code ?? '') || /\bconnect E[A-Z]+/.test(cause.message);
}

/** Adds the proxy's name to the innermost cause, which is the one that is reported. */
function withProxyName(thrown: unknown, server: ProxyServer): unknown {
  if (server.kind === 'direct' || !(thrown instanceof TypeError)) return thrown;
  const { message, code, name } = innermostCause(thrown) as NodeJS.ErrnoException;
  const named = new Error(`${message || code || name} (through the proxy ${nameOf(server)})`);
  return new TypeError(thrown.message, { cause: Object.assign(named, { code }) });
}
