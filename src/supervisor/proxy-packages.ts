/** Checks before a session starts that its API calls can take the route of its browser. */
import { assertInstalled } from '../core/optional-package.ts';
import { toPlainCapabilities, toProxyCapability, type BrowserOptions } from '../driver/driver.ts';
import { toProxyRules } from './route/proxy-rules.ts';

/**
 * Throws `ConfigError` if the options name a SOCKS proxy or a PAC file, and the packages for it are not installed. A proxy of the browser's
 * environment is checked by the first API call.
 */
export function assertProxyInstalled({ proxy, capabilities = {}, arguments: switches = [] }: BrowserOptions): void {
  const { socksProxy, proxyAutoconfigUrl }: Readonly<Record<string, unknown>> = {
    ...(proxy !== undefined && toProxyCapability(proxy)),
    ...(toPlainCapabilities(capabilities)['proxy'] as object | undefined),
  };
  const rules = toProxyRules(switches, undefined);
  const servers = rules.kind === 'servers' ? [...rules.http, ...rules.https] : [];
  if (socksProxy !== undefined || servers.some(({ kind }) => kind.startsWith('socks'))) assertInstalled('socks');
  if (proxyAutoconfigUrl !== undefined || rules.kind === 'pac') assertInstalled('pac');
}
