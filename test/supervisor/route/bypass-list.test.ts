import { expect } from 'chai';

import { BypassList } from '../../../src/supervisor/route/bypass-list.ts';

describe('BypassList', () => {
  // Measured on Chromium 156 with --proxy-bypass-list, and with the variable no_proxy if `isSuffix` is true.
  for (const [rules, url, isBypassed, isSuffix = false] of [
    ['', 'http://a.test/', false],
    ['', 'http://127.8.9.1/', true],
    ['', 'http://[::1]:80/', true],
    ['', 'http://localhost/', true],
    ['', 'http://x.localhost/', true],
    ['', 'http://169.254.9.9/', true],
    ['', 'http://notlocalhost/', false],
    ['<-loopback>', 'http://localhost/', false],
    ['<-loopback>', 'http://127.0.0.1/', false],
    ['<-loopback>;127.0.0.1', 'http://127.0.0.1/', true],
    ['127.0.0.1;<-loopback>', 'http://127.0.0.1/', false],
    ['a.test', 'http://a.test/', true],
    ['A.test', 'http://a.TEST/', true],
    ['a.test', 'http://a.test:81/', true],
    ['a.test', 'http://sub.a.test/', false],
    ['.a.test', 'http://sub.a.test/', true],
    ['.a.test', 'http://a.test/', false],
    ['*.test', 'http://sub.a.test/', true],
    ['a*.t*t', 'http://abc.test/', true],
    ['a*b*a', 'http://aba/', true],
    ['ab*ba', 'http://aba/', false],
    ['*', 'http://a.test/', true],
    ['a.test:80', 'http://a.test/', true],
    ['a.test:80', 'http://a.test:81/', false],
    ['https://a.test', 'http://a.test/', false],
    ['https://a.test', 'https://a.test/', true],
    ['<local>', 'http://plain/', true],
    ['<local>', 'http://a.test/', false],
    ['10.0.0.0/8', 'http://10.1.2.3/', true],
    ['10.0.0.0/8', 'http://11.1.2.3/', false],
    ['fd00::/8', 'http://[fd00::1]/', true],
    ['x.test,10.0.0.0/99;a.test', 'http://a.test/', true],
    ['a.test', 'http://sub.a.test/', true, true],
    ['a.test', 'http://nota.test/', true, true],
    ['.a.test', 'http://nota.test/', false, true],
    ['.a.test:80', 'http://sub.a.test/', true, true],
    ['10.0.0.1', 'http://110.0.0.1/', false, true],
  ] as const) {
    it(`${isSuffix ? 'no_proxy=' : ''}"${rules}" ${isBypassed ? 'has' : 'does not have'} ${url}`, () => {
      expect(new BypassList(rules, { isSuffix }).has(url)).to.equal(isBypassed);
    });
  }
});
