import { expect } from 'chai';
import { openDemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { findBrokenLinks } from './broken-links.ts';

describe('check-links', () => {
  it('finds the one broken link of the demo shop, and every page that has it', async () => {
    await using shop = await openDemoShop({ pages: 3 });
    const { broken } = await findBrokenLinks(shop.url);
    // The welcome page, three listing pages and three pages of text have the same footer.
    const clearance = `${shop.url}/clearance`;
    expect(broken).to.deep.equal([
      { url: clearance, status: 404, reason: 'Not Found', foundOn: `${shop.url}/`, pages: 7 },
    ]);
  });
});
