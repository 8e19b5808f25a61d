import type { Context } from 'mocha';

import { locateFirefox } from '../../scripts/setup-firefox.ts';
import { driverFamilyOf } from '../../src/driver/driver-family.ts';
import type { SessionTarget } from '../../src/driver/session-target.ts';

/** Returns a target with Firefox and geckodriver. Without them the suite is skipped, except in CI, where it fails. */
export async function requireFirefox(context: Context): Promise<Extract<SessionTarget, { kind: 'own' }>> {
  const located = await locateFirefox();
  if (!located.found) {
    if (process.env['CI'] !== undefined) throw new Error('CI needs Firefox and geckodriver: npm run setup:firefox');
    if (context.test?.parent) context.test.parent.title += ' (skipped: needs `npm run setup:firefox`)';
    return context.skip(); // Firefox or geckodriver is missing, as the title of the suite says.
  }
  return localFirefox();
}

/** Returns a target with Firefox and geckodriver. Throws if they are not installed. */
export async function localFirefox(): Promise<Extract<SessionTarget, { kind: 'own' }>> {
  const located = await locateFirefox();
  if (!located.found) throw new Error(`There is no Firefox on this machine: ${JSON.stringify(located)}`);
  const { browserPath, driverPath } = located;
  return { kind: 'own', family: driverFamilyOf('firefox'), browserPath, driverPath };
}
