import { expect } from 'chai';

import { RunFigures } from '../../src/runs/run-figures.ts';
import { makeDeath } from '../support/make-death.ts';
import { makeStoredRun } from '../support/stored-rows.ts';

const COUNTS = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };

describe('RunFigures', () => {
  it('gives a snapshot that a later death does not change', () => {
    const figures = new RunFigures();
    figures.deaths.push(makeDeath({ epoch: 1 }));
    const { deaths } = figures.snapshot(COUNTS);
    figures.deaths.push(makeDeath({ epoch: 2 }));
    expect(deaths.map(({ epoch }) => epoch)).to.deep.equal([1]);
  });

  it('adds the numbers of earlier processes in the row to its own', () => {
    const figures = new RunFigures();
    figures.sessions += 1;
    figures.deaths.push(makeDeath({ epoch: 9 }));
    figures.begin(
      makeStoredRun({ sessions: 3, reused: 4, deaths: [makeDeath({ epoch: 1 }), makeDeath({ epoch: 2 })] }),
    );
    expect(figures).to.include({ sessions: 4, reused: 4 });
    expect(figures.deaths.map(({ epoch }) => epoch)).to.deep.equal([1, 2, 9]);
    expect(figures.ownDeaths.map(({ epoch }) => epoch)).to.deep.equal([9]);
  });
});
