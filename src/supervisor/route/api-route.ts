/** Sends API calls by the browser's route: through its proxy, and with its decision about certificates. */
import { Dispatcher1Wrapper, type Dispatcher } from 'undici';

import { toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { assertInstalled, importOptional } from '../../core/optional-package.ts';
import { redactText } from '../../core/redact.ts';
import { isUnsent, makeDispatcher, nameOf } from './dispatchers.ts';
import { innermostCause, UnsendableError } from './fetch-failure.ts';
import { HostRules } from './host-rules.ts';
import type { PacFile } from './pac-file.ts';
import { DIRECT, hasSwitch, toProxyRules, valueOf, type ProxyRules, type ProxyServer } from './proxy-rules.ts';
import { BypassList } from './bypass-list.ts';

export interface ApiRouteOptions {
  /** Returns the browser's command-line switches. */
  readonly switches: () => Promise<readonly string[]>;
  /** The browser's environment; undefined if it is not known. */
  readonly environment: Readonly<Record<string, string | undefined>> | undefined;
  /** True if the session accepts certificates that can't be verified. The browser's switch for this is read separately. */
  readonly acceptsInsecureCerts: boolean;
  /** Aborts when the session ends, and closes all connections. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** The wait before a PAC file that could not be loaded is requested again. Chromium's first pause is as long. */
const PAC_RELOAD_MS = 8_000;
const NO_BYPASS = new BypassList();

interface Decision {
  readonly rules: ProxyRules;
  readonly hosts: HostRules;
  readonly isInsecure: boolean;
}

export class ApiRoute {
  readonly #options: ApiRouteOptions;
  readonly #dispatchers = new Map<string, Dispatcher>();
  #decision: Promise<Decision> | undefined;
  #pac: Promise<PacFile | undefined> | undefined;
  #pacReloadAt = Infinity;

  constructor(options: ApiRouteOptions) {
    this.#options = options;
  }

  /**
   * Works like the global `fetch`. Tries the proxies of `url` in turn until one can be reached. `beforeSend` is awaited before each
   * attempt; its rejection ends the call.
   */
  async fetch(url: string, init: RequestInit, beforeSend = async () => {}): Promise<Response> {
    const decision = await this.#decide();
    const servers = await this.#serversFor(url, decision.rules);
    for (const [index, server] of servers.entries()) {
      await beforeSend();
      try {
        return await fetch(url, { ...init, ...this.#dispatcherInit(server, decision) });
      } catch (thrown) {
        const isLast = index === servers.length - 1 || init.body instanceof ReadableStream;
        if (isLast || !isUnsent(thrown)) throw withProxyName(thrown, server);
      }
    }
    throw new TypeError('fetch failed', { cause: new Error('the browser’s list of proxies is empty') });
  }

  #decide(): Promise<Decision> {
    this.#decision ??= (async () => {
      const { switches, environment, acceptsInsecureCerts } = this.#options;
      const given = await switches();
      const isInsecure = acceptsInsecureCerts || hasSwitch(given, 'ignore-certificate-errors');
      const hosts = new HostRules(valueOf(given, 'host-resolver-rules'));
      return { rules: toProxyRules(given, environment), hosts, isInsecure };
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
    const file = await this.#pacFile(rules.url);
    return (await this.#orDirect(file?.serversFor(url))) ?? DIRECT;
  }

  #pacFile(url: string): Promise<PacFile | undefined> {
    if (performance.now() >= this.#pacReloadAt) this.#pac = undefined;
    this.#pac ??= this.#loadPacFile(url);
    return this.#pac;
  }

  async #loadPacFile(url: string): Promise<PacFile | undefined> {
    this.#pacReloadAt = Infinity;
    const { PacFile } = await importOptional('pac', () => import('./pac-file.ts'));
    const file = await this.#orDirect(PacFile.load(url, this.#options.signal));
    if (file === undefined) this.#pacReloadAt = performance.now() + PAC_RELOAD_MS;
    return file;
  }

  /** Resolves with undefined if the PAC file can't be loaded or fails: Chromium then connects without a proxy. */
  async #orDirect<Value>(work: Promise<Value> | undefined): Promise<Value | undefined> {
    try {
      return await work;
    } catch (thrown) {
      this.#options.signal.throwIfAborted();
      const reason = redactText(innermostCause(toError(thrown)).message);
      this.#options.log.warn('The proxy’s PAC file failed: the call is made without a proxy, as in Chromium', {
        reason,
      });
      return undefined;
    }
  }

  /**
   * Returns the dispatcher of a call. Without it, the global `fetch` would use the proxies of Node's own environment, even for loopback.
   */
  #dispatcherInit(server: ProxyServer, { hosts, isInsecure }: Decision): object {
    const key = nameOf(server);
    let dispatcher = this.#dispatchers.get(key);
    if (dispatcher === undefined) {
      const { signal } = this.#options;
      signal.throwIfAborted();
      if (server.kind.startsWith('socks')) assertInstalled('socks');
      const tls = { rejectUnauthorized: !isInsecure, allowH2: false };
      // Node's own fetch uses the interface of an older undici.
      dispatcher = new Dispatcher1Wrapper(makeDispatcher(server, { tls, hosts, signal }));
      this.#dispatchers.set(key, dispatcher);
    }
    return { dispatcher };
  }
}

/** Adds the proxy's name to the innermost cause, which is the one that is reported. */
function withProxyName(thrown: unknown, server: ProxyServer): unknown {
  if (server.kind === 'direct' || !(thrown instanceof TypeError)) return thrown;
  const { message, code, name } = innermostCause(thrown) as NodeJS.ErrnoException;
  const named = new Error(`${message || code || name} (through the proxy ${nameOf(server)})`);
  return new TypeError(thrown.message, { cause: Object.assign(named, { code }) });
}
