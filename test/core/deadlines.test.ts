import { expect } from 'chai';

import { Deadlines } from '../../src/core/deadlines.ts';
import { useClockInEachTest } from '../support/fake-clock.ts';

describe('Deadlines', () => {
  const clock = useClockInEachTest('performance');
  let deadlines: Deadlines;
  let late: string[];
  const set = (name: string, limitMs: number) => deadlines.set(limitMs, () => void late.push(name));

  beforeEach(() => {
    deadlines = new Deadlines();
    late = [];
  });

  it('call each callback once, at its own time', () => {
    set('b', 20);
    set('a', 10);
    set('c', 30);
    clock().tick(9);
    expect(late).to.deep.equal([]);
    clock().tick(1);
    expect(late).to.deep.equal(['a']);
    clock().tick(100);
    expect(late).to.deep.equal(['a', 'b', 'c']);
  });

  it('do not call a callback that was cancelled', () => {
    const cancel = set('a', 10);
    set('b', 10);
    cancel();
    clock().tick(10);
    expect(late).to.deep.equal(['b']);
  });

  it('share one timer, which a later wait does not reset', () => {
    const cancel = set('a', 10);
    cancel();
    set('b', 15);
    expect(clock().countTimers()).to.equal(1);
    clock().tick(14);
    expect(late).to.deep.equal([]);
    clock().tick(1);
    expect(late).to.deep.equal(['b']);
  });

  it('can be set while other callbacks are called', () => {
    deadlines.set(10, () => void set('b', 5));
    clock().tick(15);
    expect(late).to.deep.equal(['b']);
  });

  it('are cancelled by clear, and can be set again', () => {
    set('a', 10);
    deadlines.clear();
    expect(clock().countTimers()).to.equal(0);
    set('b', 10);
    clock().tick(10);
    expect(late).to.deep.equal(['b']);
  });
});
