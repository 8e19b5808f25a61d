/** The pages that a cookie applies to (RFC 6265, section 5.4). */
import type { StateCookie } from './browser-state.ts';

type Scope = Pick<StateCookie, 'domain' | 'path' | 'secure'>;

/** Returns whether a request for `url` includes the cookie. */
export function isSentTo(cookie: Scope, url: string): boolean {
  const { pathname, protocol } = URL.parse(url) ?? {};
  if (pathname === undefined || (cookie.secure && protocol !== 'https:')) return false;
  const isPathMatched =
    pathname === cookie.path || pathname.startsWith(cookie.path.endsWith('/') ? cookie.path : `${cookie.path}/`);
  return isPathMatched && isOfSite(cookie, url);
}

/** Returns whether the host of `url` may set the cookie. */
export function isOfSite({ domain }: Pick<Scope, 'domain'>, url: string): boolean {
  const host = URL.parse(url)?.hostname;
  if (host === undefined) return false;
  return domain.startsWith('.') ? host === domain.slice(1) || host.endsWith(domain) : host === domain;
}
