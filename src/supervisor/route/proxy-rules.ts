/**
 * Finds the proxy that Chromium uses, from its command-line switches and, on Linux, from the variables of its environment. Switches
 * override the environment, as in Chromium (measured on 156).
 */
import { BypassList } from './bypass-list.ts';

/** One route to a server. `direct` is the route without a proxy. */
export type ProxyServer =
  | { readonly kind: 'direct' }
  | { readonly kind: 'http' | 'https' | 'socks4' | 'socks5'; readonly host: string; readonly port: number };

export type ProxyRules =
  /** The servers of each scheme are tried in turn until one can be reached. */
  | {
      readonly kind: 'servers';
      readonly http: readonly ProxyServer[];
      readonly https: readonly ProxyServer[];
      readonly bypass: BypassList;
    }
  | { readonly kind: 'pac'; readonly url: string }
  /** The browser has a proxy that API calls can't use. */
  | { readonly kind: 'unusable'; readonly reason: string };

export const DIRECT: readonly ProxyServer[] = [{ kind: 'direct' }];
const NO_PROXY: ProxyRules = { kind: 'servers', http: DIRECT, https: DIRECT, bypass: new BypassList() };
const DEFAULT_PORTS = { http: 80, https: 443, socks4: 1080, socks5: 1080 } as const;
type ProxyKind = keyof typeof DEFAULT_PORTS;
/** The kinds of proxies by their names in URLs and in switches. */
const KINDS: ReadonlyMap<string, ProxyKind> = new Map([
  ['http', 'http'],
  ['https', 'https'],
  ['socks', 'socks5'],
  ['socks4', 'socks4'],
  ['socks5', 'socks5'],
]);
/** The kinds of proxies by their names in the answers of PAC files. */
const PAC_KINDS: ReadonlyMap<string, ProxyKind> = new Map([
  ['PROXY', 'http'],
  ['HTTP', 'http'],
  ['HTTPS', 'https'],
  ['SOCKS', 'socks4'],
  ['SOCKS4', 'socks4'],
  ['SOCKS5', 'socks5'],
]);
const PASSWORD_RULES: ProxyRules = {
  kind: 'unusable',
  reason:
    'the switch --proxy-server names a proxy that Chromium can’t use. It takes host:port, without a user name or a password.',
};

/** Returns the rules of a browser with these switches. `environment` is undefined if it is not known. */
export function toProxyRules(
  switches: readonly string[],
  environment: Readonly<Record<string, string | undefined>> | undefined,
): ProxyRules {
  const given = (name: string) => valueOf(switches, name);
  if (given('no-proxy-server') !== undefined) return NO_PROXY;
  const pac = given('proxy-pac-url');
  if (pac !== undefined) return { kind: 'pac', url: pac };
  if (given('proxy-auto-detect') !== undefined) {
    const reason =
      'the browser finds its proxy by itself (proxy type "autodetect"). Set BROWSER_PROXY to the proxy’s address.';
    return { kind: 'unusable', reason };
  }
  const servers = given('proxy-server');
  if (servers !== undefined && servers !== '')
    return toServerRules(servers, new BypassList(given('proxy-bypass-list')));
  return environment === undefined ? NO_PROXY : toEnvironmentRules(environment);
}

/** Returns the servers in the answer of a PAC file, such as `PROXY proxy.test:3128; DIRECT`. */
export function parsePacAnswer(answer: string): readonly ProxyServer[] {
  const servers = answer.split(';').map((entry): ProxyServer | undefined => {
    const [kind = '', address = ''] = entry.trim().split(/\s+/);
    if (kind.toUpperCase() === 'DIRECT') return { kind: 'direct' };
    const known = PAC_KINDS.get(kind.toUpperCase());
    return known === undefined ? undefined : toServer(`${known}://${address}`, known);
  });
  const known = servers.filter((server) => server !== undefined);
  return known.length === 0 ? DIRECT : known;
}

/** Returns true if the switch is present, with or without a value. */
export function hasSwitch(switches: readonly string[], name: string): boolean {
  return valueOf(switches, name) !== undefined;
}

/** Parses `a:80`, `a:80,b:80,direct://`, or `http=a:80;https=b:80;socks=c:1080`. */
function toServerRules(text: string, bypass: BypassList): ProxyRules {
  if (!text.includes('=')) {
    const servers = toServers(text, 'http');
    return servers === undefined ? PASSWORD_RULES : { kind: 'servers', http: servers, https: servers, bypass };
  }
  const byScheme = new Map<string, readonly ProxyServer[]>();
  for (const entry of text.split(';')) {
    const [scheme = '', address = ''] = entry.split('=', 2).map((part) => part.trim());
    const servers = toServers(address, scheme === 'socks' ? 'socks4' : 'http');
    if (servers === undefined) return PASSWORD_RULES;
    byScheme.set(scheme, servers);
  }
  const others = byScheme.get('socks') ?? DIRECT;
  return { kind: 'servers', http: byScheme.get('http') ?? others, https: byScheme.get('https') ?? others, bypass };
}

function toServers(text: string, kind: ProxyKind): readonly ProxyServer[] | undefined {
  const servers = text
    .split(',')
    .filter((address) => address.trim() !== '')
    .map((address) => (address.includes('@') ? undefined : toServer(address.trim(), kind)));
  return servers.length === 0 || servers.includes(undefined) ? undefined : servers.filter((one) => one !== undefined);
}

/** Parses one address. Its user name and password are dropped, because Chromium does not send them (measured). */
function toServer(address: string, defaultKind: ProxyKind): ProxyServer | undefined {
  const text = address.includes('://') ? address : `${defaultKind}://${address}`;
  if (text === 'direct://') return { kind: 'direct' };
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port } = new URL(text);
  const kind = KINDS.get(protocol.slice(0, -1));
  if (kind === undefined || hostname === '') return undefined;
  return { kind, host: hostname, port: port === '' ? DEFAULT_PORTS[kind] : Number(port) };
}

/** Returns the rules of the environment, with the variables and the order of Chromium's `ProxyConfigServiceLinux`. */
function toEnvironmentRules(environment: Readonly<Record<string, string | undefined>>): ProxyRules {
  const variable = (name: string) => environment[name] || environment[name.toUpperCase()] || undefined;
  const pac = variable('auto_proxy');
  if (pac !== undefined) return { kind: 'pac', url: pac };
  const server = (name: string, kind: ProxyKind) => {
    const address = variable(name);
    const found = address === undefined ? undefined : toServer(address, kind);
    return found === undefined ? undefined : [found];
  };
  const all = server('all_proxy', 'http');
  const socks = server('SOCKS_SERVER', environment['SOCKS_VERSION'] === '4' ? 'socks4' : 'socks5');
  const http = all ?? server('http_proxy', 'http');
  const https = all ?? server('https_proxy', 'http');
  const others = http === undefined && https === undefined ? (socks ?? DIRECT) : DIRECT;
  const bypass = new BypassList(variable('no_proxy'), { isSuffix: true });
  return { kind: 'servers', http: http ?? others, https: https ?? others, bypass };
}

/** Returns the value of the last switch with this name: empty if it has none, undefined if the switch is absent. */
export function valueOf(switches: readonly string[], name: string): string | undefined {
  const found = switches.findLast((one) => one.replace(/^-{0,2}/, '').split('=', 1)[0] === name);
  if (found === undefined) return undefined;
  const at = found.indexOf('=');
  return at === -1 ? '' : found.slice(at + 1).replace(/^"(.*)"$/, '$1');
}
