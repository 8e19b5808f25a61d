import { expect } from 'chai';

import { isOfSite, isSentTo } from '../../src/driver/state/cookie-scope.ts';

describe('The scope of a cookie (RFC 6265, section 5.4)', () => {
  for (const [domain, path, secure, url, expected] of [
    ['shop.test', '/', false, 'http://shop.test/any', true],
    ['shop.test', '/', false, 'http://www.shop.test/', false],
    ['.shop.test', '/', false, 'http://www.shop.test/', true],
    ['.shop.test', '/', false, 'http://shop.test:8080/', true],
    ['.shop.test', '/', false, 'http://othershop.test/', false],
    ['shop.test', '/account', false, 'http://shop.test/account', true],
    ['shop.test', '/account', false, 'http://shop.test/account/orders', true],
    ['shop.test', '/account', false, 'http://shop.test/accounts', false],
    ['shop.test', '/', true, 'http://shop.test/', false],
    ['shop.test', '/', true, 'https://shop.test/', true],
    ['shop.test', '/', false, 'about:blank', false],
  ] as const) {
    it(`${expected ? 'includes' : 'excludes'} ${url} for ${domain}${path}${secure ? ', secure' : ''}`, () => {
      expect(isSentTo({ domain, path, secure }, url)).to.equal(expected);
    });
  }

  it('allows a page to set a cookie for its host and for a domain that contains the host', () => {
    expect(isOfSite({ domain: '.shop.test' }, 'http://www.shop.test/a')).to.equal(true);
    expect(isOfSite({ domain: 'shop.test' }, 'http://www.shop.test/a')).to.equal(false);
  });
});
