/** Describes the proxy of a browser for errors. Chromium's error about a failed proxy does not name the proxy. */
import { redactUrl } from '../core/redact.ts';
import { mergeValues, toPlainCapabilities, toProxyCapability, type BrowserOptions } from './browser-options.ts';

/** Chromium's errors about proxies, as chromedriver reports them for a navigation. */
const PROXY_FAILURE =
  /^unknown error: net::ERR_(?:PROXY_|TUNNEL_CONNECTION_FAILED|SOCKS_CONNECTION_|PAC_|NO_SUPPORTED_PROXIES|MANDATORY_PROXY_)/;
const PROXY_SWITCH = /^-{0,2}proxy-(?:server|pac-url)=(.+)$/;
/** The variables that Chromium reads, in its order. It reads them only on Linux. */
const PROXY_VARIABLES = ['auto_proxy', 'all_proxy', 'http_proxy', 'https_proxy', 'socks_server'];
/** The parts of a proxy capability that contain addresses (W3C WebDriver, section 7.1). */
const ADDRESS_NAMES = ['proxyAutoconfigUrl', 'httpProxy', 'sslProxy', 'socksProxy'];
/** A user name and a password, with or without a scheme before them. */
const LOGIN = /[^/,;=\s]*@/g;

/** Returns whether this message of a failed answer means that the browser's proxy failed, and not the page. */
export function isProxyFailure(message: string): boolean {
  return PROXY_FAILURE.test(message);
}

/**
 * Returns the browser's proxy without its password, and where it is set, such as `the proxy 127.0.0.1:3128, set by BROWSER_PROXY`;
 * undefined if none is known. `environment` is the browser's own; undefined if another program started the browser.
 */
export function describeProxy(
  { proxy, capabilities = {}, arguments: switches = [] }: BrowserOptions,
  environment: Readonly<Record<string, string | undefined>> | undefined,
): string | undefined {
  const { proxy: capability } = toPlainCapabilities(capabilities);
  // Capabilities override switches, and switches override the environment (measured on 156).
  const merged = mergeValues(proxy === undefined ? {} : toProxyCapability(proxy), capability ?? {});
  const addresses = ADDRESS_NAMES.map((name) => (merged as Record<string, unknown>)[name]).filter(
    (one) => typeof one === 'string',
  );
  if (addresses.length > 0)
    return describe(
      addresses,
      capability === undefined ? 'BROWSER_PROXY, --proxy or the option `proxy`' : 'the capability `proxy`',
    );
  const given = switches.map((one) => PROXY_SWITCH.exec(one)?.[1]).findLast((address) => address !== undefined);
  if (given !== undefined) return describe([given], 'an argument of the browser');
  if (environment === undefined || process.platform !== 'linux') return undefined;
  const names = PROXY_VARIABLES.flatMap((name) => [name, name.toUpperCase()]).filter((name) => environment[name]);
  if (names.length === 0) return undefined;
  return describe(
    names.map((name) => environment[name] ?? ''),
    `${[...new Set(names)].join(', ')} of the environment`,
  );
}

function describe(addresses: readonly string[], source: string): string {
  const shown = [...new Set(addresses)].map((address) => redactUrl(address).replaceAll(LOGIN, '').replace(/\/$/, ''));
  return `the proxy ${shown.join(', ')}, set by ${source}`;
}
