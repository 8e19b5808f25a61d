/** Loses sessions on a real Selenium Grid in every way and while each kind of work is done, and prints the measured times. */
import { openFaultSite } from 'webdriver-supervisor/testing';

import { GRID_LOSSES } from '../grid/grid-losses.ts';
import { ACTIVITIES, loseSession } from '../grid/lose-session.ts';
import { openGrid } from '../grid/open-grid.ts';

/** Returns true if no problem was found. */
export async function loseSessions({ only }: { readonly only?: string | undefined }): Promise<boolean> {
  const losses = GRID_LOSSES.filter(({ name }) => only === undefined || name.includes(only));
  await using site = await openFaultSite();
  await using grid = await openGrid({ nodes: 2, slots: 4 });
  let isFine = true;
  console.log(['loss', 'work', 'cause', 'declared ms', 'recovered ms', 'slots free ms'].join(' | '));
  for (const loss of losses)
    for (const activity of ACTIVITIES) {
      const result = await loseSession(grid, loss, { activity, page: `${site.url}/` });
      const { cause, declaredMs, recoveredMs, freedMs, problems } = result;
      console.log([loss.name, activity, cause, declaredMs, recoveredMs, freedMs].join(' | '));
      for (const problem of problems) console.log(`  WRONG: ${problem}`);
      isFine &&= problems.length === 0;
    }
  return isFine;
}
