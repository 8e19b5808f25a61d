import { spawnSync } from 'node:child_process';
import type { Context } from 'mocha';

import { locateFirefox } from '../../scripts/setup-firefox.ts';
import { driverFamilyOf } from '../../src/driver/driver-family.ts';
import type { SessionTarget } from '../../src/driver/session-target.ts';

const SETUP_LIMIT_MS = 25 * 60_000;

/** Returns a target with Firefox and geckodriver. Without them the suite is skipped, unless `CI` is set: they are installed then. */
export async function requireFirefox(context: Context): Promise<Extract<SessionTarget, { kind: 'own' }>> {
  let located = await locateFirefox();
  if (!located.found && process.env['CI']) {
    context.timeout(SETUP_LIMIT_MS);
    const { status } = spawnSync(process.execPath, ['scripts/setup-firefox.ts'], { stdio: 'inherit' });
    if (status !== 0) throw new Error('Firefox and geckodriver could not be installed');
    located = await locateFirefox();
  }
  if (!located.found) {
    if (context.test?.parent) context.test.parent.title += ' (skipped: needs `npm run setup:firefox`)';
    return context.skip();
  }
  const { browserPath, driverPath } = located;
  return { kind: 'own', family: driverFamilyOf('firefox'), browserPath, driverPath };
}
