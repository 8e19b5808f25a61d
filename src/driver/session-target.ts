import type { DriverFamily } from './driver-family.ts';
import type { Route } from './http-client.ts';

/**
 * The source of a session: this program's own driver, another program's endpoint (a Grid, a running driver), or an existing session there.
 */
export type SessionTarget =
  | {
      readonly kind: 'own';
      readonly driverPath: string;
      readonly browserPath: string;
      /** Default: Chrome's. */
      readonly family?: DriverFamily;
    }
  | { readonly kind: 'endpoint'; readonly url: string; readonly route?: Route }
  | {
      readonly kind: 'attached';
      readonly url: string;
      readonly route?: Route;
      readonly sessionId: string;
      readonly capabilities: object;
    };

export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

/** Returns the parts of a target that an error about the start names. */
export function describeTarget(target: SessionTarget): {
  endpointUrl?: string;
  proxy?: string | undefined;
  driverPath?: string;
  browserPath?: string;
} {
  return target.kind === 'own'
    ? { driverPath: target.driverPath, browserPath: target.browserPath }
    : { endpointUrl: target.url, proxy: target.route?.proxy };
}
