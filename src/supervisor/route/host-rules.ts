/**
 * Applies the rules of Chromium's switch `--host-resolver-rules`, which map hosts to addresses (Chromium's net/base/host_mapping_rules.cc).
 */
import { isIPv6 } from 'node:net';

export interface HostAndPort {
  /** The host; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

interface Replacement {
  readonly host: string;
  /** The new port; undefined if the port stays the same. */
  readonly port: number | undefined;
}

const NOT_FOUND = '~notfound';
const REPLACEMENT = /^(?:\[(?<ipv6>[\da-f:.]+)\]|(?<name>[^:]+))(?::(?<port>\d+))?$/i;

export class HostRules {
  readonly #excluded: RegExp[] = [];
  readonly #mapped: { readonly pattern: RegExp; readonly to: Replacement }[] = [];

  /**
   * Takes rules that are separated by commas: `MAP *.shop.test 127.0.0.1:8080, EXCLUDE cdn.shop.test`. Ignores invalid rules, as Chromium
   * does.
   */
  constructor(text = '') {
    for (const rule of text.split(',')) {
      const [kind = '', pattern = '', replacement = '', ...more] = rule.trim().toLowerCase().split(' ');
      if (kind === 'exclude' && pattern !== '' && replacement === '') this.#excluded.push(toPattern(pattern));
      const { ipv6, name, port } = REPLACEMENT.exec(replacement)?.groups ?? {};
      const host = ipv6 ?? name;
      if (kind !== 'map' || host === undefined || more.length > 0) continue;
      this.#mapped.push({
        pattern: toPattern(pattern),
        to: { host, port: port === undefined ? undefined : Number(port) },
      });
    }
  }

  /**
   * Returns the host and the port to which a connection to `target` is made. Throws the error of Node's look-up if the rules block the
   * host.
   */
  apply({ host, port }: HostAndPort): HostAndPort {
    const name = host.toLowerCase();
    if (this.#excluded.some((pattern) => pattern.test(name))) return { host, port };
    const withPort = `${isIPv6(name) ? `[${name}]` : name}:${port}`;
    const rule = this.#mapped.find(({ pattern }) => pattern.test(name) || pattern.test(withPort));
    if (rule === undefined) return { host, port };
    if (rule.to.host === NOT_FOUND) throw toNotFound(host);
    return { host: rule.to.host, port: rule.to.port ?? port };
  }
}

/** Converts a pattern: `*` matches any text, and `?` matches one character or none. */
function toPattern(text: string): RegExp {
  const source = text
    .replaceAll(/[$()+.[\\\]^{|}]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.?');
  return new RegExp(`^${source}$`);
}

function toNotFound(hostname: string): Error {
  const message = `getaddrinfo ENOTFOUND ${hostname} (by --host-resolver-rules)`;
  return Object.assign(new Error(message), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname });
}
