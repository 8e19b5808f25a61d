import assert from 'node:assert/strict';

import { browser } from 'webdriver-supervisor/mocha';
import { cartSessions } from './shared.ts';

describe('another file', () => {
  it('has a browser of its own', async () => {
    assert.equal(cartSessions.has((await browser.driver.getSession()).getId()), false);
  });

  it('fails without the browser', () => {
    assert.fail('no cart');
  });
});
