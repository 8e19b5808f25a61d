import { locateBrowser } from '../../../src/driver/locate.ts';
import type { SessionTarget } from '../../../src/driver/session-target.ts';

/** Returns a target with the driver and the browser of this machine. */
export async function localBrowser(): Promise<Extract<SessionTarget, { kind: 'own' }>> {
  const located = await locateBrowser({ env: process.env });
  if (!located.found) throw new Error(`There is no browser on this machine: ${JSON.stringify(located)}`);
  return { kind: 'own', driverPath: located.driverPath, browserPath: located.browserPath };
}
