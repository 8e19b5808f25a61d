import { expect } from 'chai';

import { OwnerLabels } from '../../src/monitor/owner-labels.ts';
import { numbers } from '../support/opened-run.ts';

const add = (one: number, other: number) => one + other;

describe('OwnerLabels', () => {
  const make = (isEnabled = true) => new OwnerLabels({ isEnabled });
  const owners = (count: number) => Object.fromEntries(numbers(count).map((number) => [`owner ${number}`, number]));

  it('names the 200 owners with the largest values, and adds up the others', () => {
    const byLabel = make().label({ ...owners(300), '': 7 }, add);
    expect(byLabel.size).to.equal(202);
    expect(byLabel.get('')).to.equal(7);
    expect(byLabel.get('owner 299')).to.equal(299);
    expect(byLabel.get('owner 100')).to.equal(100);
    expect(byLabel.has('owner 99')).to.equal(false);
    expect(byLabel.get('other')).to.equal((99 * 100) / 2);
  });

  it('never decreases a value while new owners come and other values grow', () => {
    const labels = make();
    let before = labels.label(owners(150), add);
    for (const round of numbers(20)) {
      const now = labels.label({ ...owners(150 + round * 20), 'owner 3': 1_000 * round + 3 }, add);
      for (const [label, value] of before) expect(now.get(label), label).to.be.at.least(value);
      expect(now.size).to.be.at.most(201);
      before = now;
    }
  });

  it('returns the larger of two values if `combine` is Math.max', () => {
    const labels = make();
    labels.label(owners(200), add);
    expect(labels.label({ one: 3, two: 5, three: 4 }, Math.max).get('other')).to.equal(5);
  });

  it('cuts long owners to 100 characters, and combines those that are then equal', () => {
    const long = '日😀'.repeat(60);
    const byLabel = make().label({ [`${long}a`]: 1, [`${long}b`]: 2, ['x'.repeat(100)]: 4 }, add);
    expect([...byLabel]).to.deep.equal([
      ['x'.repeat(100), 4],
      [`${'日😀'.repeat(49)}日…`, 3],
    ]);
  });

  it('names no owners if they are switched off', () => {
    expect([...make(false).label(owners(300), add)]).to.deep.equal([['', (299 * 300) / 2]]);
  });
});
