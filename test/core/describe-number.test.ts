import { expect } from 'chai';

import { count, describeNumbers, describeUnits, listSome } from '../../src/core/describe-number.ts';

describe('numbers and lists for users', () => {
  it('have the noun in its number', () => {
    expect([0, 1, 2].map((number) => count(number, 'page'))).to.deep.equal(['0 pages', '1 page', '2 pages']);
  });

  it('come in a given order, without zeros, unknown names last', () => {
    expect(describeNumbers({ new: 4, dead: 1, none: 0, ended: 3 }, ['ended', 'dead'])).to.equal(
      '3 ended, 1 dead, 4 new',
    );
  });

  it('add up units of work in one order, with those that are done in any case', () => {
    expect(describeUnits({ total: 5, failed: 2, queued: 3, done: 0 })).to.equal('5 = 0 done + 3 queued + 2 failed');
    expect(describeUnits({ total: 0 })).to.equal('none were begun');
  });

  it('name the first words and count the others', () => {
    expect(listSome(['a', 'b', 'c'], 3)).to.equal('a, b, c');
    expect(listSome(['a', 'b', 'c'], 1)).to.equal('a and 2 more');
  });
});
