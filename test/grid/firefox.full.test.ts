import { expect } from 'chai';
import { openFaultSite } from 'webdriver-supervisor/testing';

import { GRID_LOSSES } from '../../scripts/grid/grid-losses.ts';
import { loseSession, type Activity } from '../../scripts/grid/lose-session.ts';
import type { Grid } from '../../scripts/grid/open-grid.ts';
import { openGridOrSkip } from './support.ts';

/** A part of the table, which `npm run chaos -- --grid --browser firefox` has as a whole. */
const ROWS: readonly { readonly loss: string; readonly activity: Activity }[] = [
  { loss: 'browser frozen', activity: 'command' },
  { loss: 'driver killed', activity: 'idle' },
];

describe('A session of Firefox on a Grid', function () {
  let grid: Grid;

  before(async function () {
    grid = await openGridOrSkip(this, { nodes: 1, slots: 3, browser: 'firefox' });
  });

  after(() => grid?.[Symbol.asyncDispose]());

  for (const { loss: name, activity } of ROWS) {
    const loss = GRID_LOSSES.find((one) => one.name === name)!;
    const [cause] = loss.causes;
    it(`dies as ${cause}, is replaced, and leaves no slot occupied: ${name}, with the work "${activity}" (R110)`, async () => {
      await using site = await openFaultSite();
      const { problems } = await loseSession(grid, loss, { activity, page: `${site.url}/` });
      expect(problems).to.deep.equal([]);
    });
  }
});
