import { expect } from 'chai';
import { openFaultSite } from 'webdriver-supervisor/testing';

import { GRID_LOSSES } from '../../scripts/grid/grid-losses.ts';
import { loseSession, type Activity } from '../../scripts/grid/lose-session.ts';
import type { Grid } from '../../scripts/grid/open-grid.ts';
import { openGridOrSkip } from './support.ts';

/** A part of the table, which `npm run chaos -- --grid` has as a whole. */
const ROWS: readonly { readonly loss: string; readonly activity: Activity; readonly declaredWithinMs: number }[] = [
  { loss: 'browser killed', activity: 'batch', declaredWithinMs: 5_000 },
  { loss: 'driver killed', activity: 'command', declaredWithinMs: 5_000 },
  { loss: 'driver frozen', activity: 'command', declaredWithinMs: 20_000 },
  { loss: 'removed by another client', activity: 'command', declaredWithinMs: 10_000 },
  { loss: 'node killed', activity: 'idle', declaredWithinMs: 20_000 },
  { loss: 'node drained', activity: 'batch', declaredWithinMs: 0 },
];

describe('A session on a Grid', function () {
  let grid: Grid;

  before(async function () {
    grid = await openGridOrSkip(this, { nodes: 3, slots: 2 });
  });

  after(() => grid?.[Symbol.asyncDispose]());

  for (const { loss: name, activity, declaredWithinMs } of ROWS) {
    const loss = GRID_LOSSES.find((one) => one.name === name)!;
    const [cause] = loss.causes;
    const result = cause === undefined ? 'lives on' : `dies as ${cause}, is replaced, and leaves no slot occupied`;
    it(`${result}: ${name}, with the work "${activity}" (R110, invariants 1 and 6)`, async () => {
      await using site = await openFaultSite();
      const { declaredMs, problems } = await loseSession(grid, loss, {
        activity,
        page: `${site.url}/`,
        repairs: false,
      });
      expect(problems).to.deep.equal([]);
      expect(declaredMs ?? 0).to.be.at.most(declaredWithinMs);
    });
  }
});
