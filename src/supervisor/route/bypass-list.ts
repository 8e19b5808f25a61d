/** The hosts that Chromium reaches without its proxy (Chromium's net/docs/proxy.md, "Proxy bypass rules"). */
import { BlockList, isIP } from 'node:net';

/** Returns true if the host is reached directly, false if it is not, and undefined if the rule does not apply to it. */
type Rule = (target: Target) => boolean | undefined;

interface Target {
  readonly scheme: string;
  /** The host in lower case; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: string;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };
const RULE = /^(?:(?<scheme>[a-z][a-z\d+.-]*):\/\/)?(?<host>\[[\da-f:.]+\]|[^:/]+)(?::(?<port>\d+))?$/i;
const CIDR = /^(?<address>[\da-f:.]+)\/(?<bits>\d+)$/i;

/** Loopback and link-local addresses, which are reached without a proxy unless a rule changes that. */
const IMPLICIT = new BlockList();
IMPLICIT.addSubnet('127.0.0.0', 8, 'ipv4');
IMPLICIT.addSubnet('169.254.0.0', 16, 'ipv4');
IMPLICIT.addAddress('::1', 'ipv6');
IMPLICIT.addSubnet('fe80::', 10, 'ipv6');

export class BypassList {
  readonly #rules: readonly Rule[];

  /**
   * Takes rules that are separated by commas or semicolons. With `isSuffix`, as in the variable `no_proxy`, a name also matches the names
   * that end in it. Ignores invalid rules, as Chromium does.
   */
  constructor(text = '', { isSuffix = false }: { readonly isSuffix?: boolean } = {}) {
    const words = text.split(/[,;\s]+/).filter((word) => word !== '');
    this.#rules = words.map((word) => toRule(word.toLowerCase(), isSuffix)).filter((rule) => rule !== undefined);
  }

  /** Returns true if `url` is reached without the proxy. Later rules override earlier ones. */
  has(url: string | URL): boolean {
    const { protocol, hostname, port } = new URL(url);
    const scheme = protocol.slice(0, -1);
    const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
    const target = { scheme, host, port: port || (DEFAULT_PORTS[scheme] ?? '') };
    for (const rule of this.#rules.toReversed()) {
      const verdict = rule(target);
      if (verdict !== undefined) return verdict;
    }
    return isImplicit(target);
  }
}

function toRule(word: string, isSuffix: boolean): Rule | undefined {
  if (word === '<local>') return ({ host }) => (isIP(host) === 0 && !host.includes('.') ? true : undefined);
  if (word === '<-loopback>') return (target) => (isImplicit(target) ? false : undefined);
  const subnet = CIDR.exec(word)?.groups;
  if (subnet !== undefined) return toSubnetRule(subnet['address'] ?? '', Number(subnet['bits']));
  const { scheme, host = '', port } = RULE.exec(word)?.groups ?? {};
  if (host === '') return undefined;
  const isHost = toHostTest(host.replace(/^\[|\]$/g, ''), isSuffix);
  return (target) =>
    (scheme === undefined || scheme === target.scheme) &&
    (port === undefined || port === target.port) &&
    isHost(target.host)
      ? true
      : undefined;
}

function toHostTest(pattern: string, isSuffix: boolean): (host: string) => boolean {
  if (isIP(pattern) !== 0) return (host) => host === pattern;
  const isOpen = pattern.startsWith('.') || (isSuffix && !pattern.startsWith('*'));
  // Each literal part is searched once, from left to right, so that no pattern takes more than linear time.
  const parts = `${isOpen ? '*' : ''}${pattern}`.split('*');
  return (host) => matchesParts(host, parts);
}

function matchesParts(host: string, parts: readonly string[]): boolean {
  const [first = '', ...others] = parts;
  const last = others.pop();
  if (last === undefined) return host === first;
  if (!host.startsWith(first)) return false;
  let from = first.length;
  for (const part of others) {
    const at = host.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return host.length - last.length >= from && host.endsWith(last);
}

function toSubnetRule(address: string, bits: number): Rule | undefined {
  const family = isIP(address);
  if (family === 0 || bits > (family === 4 ? 32 : 128)) return undefined;
  const subnet = new BlockList();
  subnet.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  return ({ host }) => (contains(subnet, host) ? true : undefined);
}

function isImplicit({ host }: Target): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || contains(IMPLICIT, host);
}

function contains(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
