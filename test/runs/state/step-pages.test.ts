import { expect } from 'chai';

import { StepPages } from '../../../src/runs/state/step-pages.ts';

const page = (name: string) => ({ url: `https://shop.test/${name}`, obstacle: null, fingerprint: null, windows: 1 });

describe('The pages that steps left', () => {
  it('are found by the step, and show whether a step left another page', () => {
    const pages = new StepPages();
    expect(pages.set('a', page('1'))).to.equal(true);
    expect(pages.set('b', page('1'))).to.equal(false);
    expect(pages.set('c', null)).to.equal(true);
    expect(pages.find('a')).to.deep.equal(page('1'));
    expect(pages.find('c')).to.equal(null);
    expect(pages.find('other')).to.equal('never left');
  });

  it('are the last stored page for steps without one in a later process, because a new page is stored before its step', () => {
    const pages = new StepPages();
    pages.isPartial = true;
    expect(pages.find('a')).to.equal('unknown');
    pages.load([
      ['a', page('1')],
      ['b', page('2')],
    ]);
    expect(pages.find('a')).to.deep.equal(page('1'));
    expect(pages.find('never stored')).to.deep.equal(page('2'));
  });

  it('are stored for the first and the newest of very many steps, and unknown for the others', () => {
    const pages = new StepPages();
    for (let number = 0; number < 3_000; number += 1) pages.set(String(number), page(String(number)));
    expect(pages.stored).to.have.length(1_000);
    expect(pages.find('0')).to.deep.equal(page('0'));
    expect(pages.find('2999')).to.deep.equal(page('2999'));
    expect(pages.find('1000')).to.equal('unknown');
  });
});
