/** The browser options of a session, from any source: code, settings or an action. */

import { ConfigError } from '../core/errors.ts';
import { CHECKED_ELSEWHERE, FLAG, TEXT, validateOption, type OptionKind } from '../core/option-kinds.ts';
import { Capabilities } from './selenium.ts';

export interface BrowserOptions {
  /** True if the browser runs without a window on a screen. @default true */
  readonly headless?: boolean;
  /** Additional command-line switches of the browser, such as `--accept-lang=de`. */
  readonly arguments?: readonly string[];
  /**
   * W3C capabilities, such as `goog:loggingPrefs`, merged over the library's own. Selenium's `Capabilities` and `chrome.Options` are
   * accepted too.
   */
  readonly capabilities?: Readonly<Record<string, unknown>> | Capabilities;
  /** The name of the browser. Chrome, Chromium, Firefox and Edge are started on this machine; others need an endpoint. @default 'chrome' */
  readonly browserName?: string;
  /**
   * True if the session also opens a WebDriver BiDi socket and watches it. Without DevTools the socket is always watched. With DevTools it
   * adds nothing and makes the start slower. @default false
   */
  readonly bidi?: boolean;
  /** True if the library adds switches that suppress the browser's first-run pages and background requests. @default true */
  readonly quiet?: boolean;
  /**
   * The browser's proxy: `http://host:port`, `socks5://host:port`, or `pac+http://host/file.pac`. Loopback addresses are never sent to it.
   */
  readonly proxy?: string | undefined;
  /** True if the browser accepts certificates that can't be verified. @default false */
  readonly acceptInsecureCerts?: boolean | undefined;
  /** A profile folder, which is not removed. Only one session at a time can use it. Default: a new profile for each session. */
  readonly userDataDir?: string | undefined;
  /**
   * Additional environment variables of the browser and its driver. From this process's environment they get only the variables that
   * browsers read (`PATH`, `HOME`, `DISPLAY`, `LANG`, `TZ`, `https_proxy` and similar).
   */
  readonly environment?: Readonly<Record<string, string>>;
  /** The folder for downloads. Default: a temporary folder, removed with the session; never the user's own. */
  readonly downloadDir?: string | undefined;
}

/** The options by their names, each with its type. */
export const BROWSER_OPTION_KINDS = {
  headless: FLAG,
  arguments: CHECKED_ELSEWHERE,
  capabilities: CHECKED_ELSEWHERE,
  browserName: TEXT,
  bidi: FLAG,
  quiet: FLAG,
  proxy: TEXT,
  acceptInsecureCerts: FLAG,
  userDataDir: TEXT,
  environment: CHECKED_ELSEWHERE,
  downloadDir: TEXT,
} satisfies Record<keyof BrowserOptions, OptionKind>;
export const BROWSER_OPTION_NAMES: readonly string[] = Object.keys(BROWSER_OPTION_KINDS);

/** A proxy in capabilities (W3C WebDriver, section 7.1). */
export type ProxyCapability =
  | { readonly proxyType: 'manual'; readonly httpProxy: string; readonly sslProxy: string }
  | { readonly proxyType: 'manual'; readonly socksProxy: string; readonly socksVersion: 4 | 5 }
  | { readonly proxyType: 'pac'; readonly proxyAutoconfigUrl: string };

/** Throws `ConfigError` with the option's name if the browser can't accept the option or would ignore it. */
export function validateBrowserOptions(options: BrowserOptions): void {
  for (const [name, kind] of Object.entries(BROWSER_OPTION_KINDS)) {
    const value = options[name as keyof BrowserOptions];
    if (value !== undefined) validateOption(name, value, kind);
  }
  const { arguments: switches = [], capabilities = {}, environment = {}, proxy } = options;
  if (!Array.isArray(switches) || switches.some((one) => typeof one !== 'string'))
    throw new ConfigError('The browser option `arguments` must be a list of strings, such as ["--accept-lang=de"].');
  if (typeof capabilities !== 'object' || capabilities === null || Array.isArray(capabilities))
    throw new ConfigError('The browser option `capabilities` must be an object.');
  if (!isPlainObject(environment) || Object.values(environment).some((value) => typeof value !== 'string'))
    throw new ConfigError('The browser option `environment` must be an object of strings, such as { "TZ": "UTC" }.');
  if (proxy !== undefined) toProxyCapability(proxy);
}

/** Returns the name of the browser. That of the capabilities is what an endpoint is asked for, so it wins. */
export function browserNameOf({ browserName, capabilities = {} }: BrowserOptions): string {
  const { browserName: named } = toPlainCapabilities(capabilities);
  return typeof named === 'string' ? named : (browserName ?? 'chrome');
}

/** Returns true if two browsers can't use the options at the same time, because they name a profile or a port of the browser. */
export function isForOneBrowser({ userDataDir, arguments: switches = [], capabilities = {} }: BrowserOptions): boolean {
  const given = JSON.stringify([switches, toPlainCapabilities(capabilities)]);
  return userDataDir !== undefined || /user-data-dir=|remote-debugging-port=(?!0\b)/.test(given);
}

/**
 * Merges options. Later options win, lists of switches are concatenated, environment variables are combined, and capabilities are merged
 * deeply. Throws as {@link validateBrowserOptions} does.
 */
export function mergeBrowserOptions(...layers: readonly BrowserOptions[]): BrowserOptions {
  return layers.reduce<BrowserOptions>((merged, layer) => {
    validateBrowserOptions(layer);
    const given = Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
    const { arguments: switches = [], capabilities = {}, environment = {} } = merged;
    return {
      ...merged,
      ...given,
      ...(layer.environment && { environment: { ...environment, ...layer.environment } }),
      arguments: [...switches, ...(layer.arguments ?? [])],
      capabilities: mergeValues(
        toPlainCapabilities(capabilities),
        toPlainCapabilities(layer.capabilities ?? {}),
      ) as Readonly<Record<string, unknown>>,
    };
  }, {});
}

/** Returns capabilities as a plain object. Selenium's objects store their entries in a Map, where `Object.entries` finds none. */
export function toPlainCapabilities(
  capabilities: NonNullable<BrowserOptions['capabilities']>,
): Record<string, unknown> {
  if (!(capabilities instanceof Capabilities)) return { ...capabilities };
  return Object.fromEntries([...capabilities.keys()].map((name) => [name, capabilities.get(name) as unknown]));
}

/** Returns the proxy as a capability. Throws `ConfigError` if the browser can't use the proxy; the message never contains a password. */
export function toProxyCapability(proxy: string): ProxyCapability {
  const isPac = proxy.startsWith('pac+');
  const text = isPac ? proxy.slice('pac+'.length) : proxy;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.host === '' && !isPac)) {
    throw new ConfigError(
      'The browser proxy must be a URL, such as http://proxy.test:3128, socks5://proxy.test:1080 or pac+http://proxy.test/file.pac.',
    );
  }
  if (isPac) return { proxyType: 'pac', proxyAutoconfigUrl: text };
  if (url.username !== '' || url.password !== '') {
    throw new ConfigError(
      'The URL of the browser proxy contains a user name or a password, which Chromium does not accept. Use a proxy without a password, ' +
        'such as a local proxy that adds it.',
    );
  }
  const address = `${url.hostname}:${url.port || defaultPort(url.protocol)}`;
  const socks = /^socks(4|5)h?:$/.exec(url.protocol);
  if (socks !== null) return { proxyType: 'manual', socksProxy: address, socksVersion: socks[1] === '4' ? 4 : 5 };
  if (url.protocol !== 'http:')
    throw new ConfigError(
      `The browser proxy begins with ${url.protocol}//, which is not supported; it must be http, socks4, socks5 or pac+http.`,
    );
  return { proxyType: 'manual', httpProxy: address, sslProxy: address };
}

function defaultPort(protocol: string): string {
  return protocol.startsWith('socks') ? '1080' : '80';
}

/** Merges `theirs` over `ours`. Objects are merged deeply; lists, such as the browser's arguments, are concatenated. */
export function mergeValues(ours: unknown, theirs: unknown): unknown {
  if (Array.isArray(ours) && Array.isArray(theirs)) return [...ours, ...theirs] as unknown[];
  if (!isPlainObject(ours) || !isPlainObject(theirs)) return theirs;
  const merged = { ...ours };
  for (const [name, value] of Object.entries(theirs)) merged[name] = mergeValues(ours[name], value);
  return merged;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
