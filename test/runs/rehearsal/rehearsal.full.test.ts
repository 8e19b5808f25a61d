import { expect } from 'chai';
import { rehearseAction } from 'webdriver-supervisor';

import gatherCatalog from '../../../actions/gather-catalog.ts';
import { openDemoShop } from '../../../scripts/demo-shop/demo-shop.ts';
import { makeTestConfig } from '../../support/scripted-run.ts';

describe('rehearseAction: the main job, with real browsers', () => {
  it('disturbs each step and item once and finds no difference', async () => {
    await using shop = await openDemoShop({ pages: 2 });
    const options = { scope: 'all', output: false, config: makeTestConfig() } as const;
    const rehearsal = await rehearseAction(gatherCatalog, { url: shop.url }, options);
    expect(rehearsal.differences).to.deep.equal([]);
    expect(rehearsal.notReached).to.deep.equal([]);
    expect(rehearsal.kills).to.be.above(rehearsal.undisturbed.counts.done);
    expect(rehearsal.outcome).to.deep.include({ status: 'completed', error: null });
  });
});
