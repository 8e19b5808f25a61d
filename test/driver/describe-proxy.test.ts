import { expect } from 'chai';

import type { BrowserOptions } from '../../src/driver/browser-options.ts';
import { describeProxy, isProxyFailure } from '../../src/driver/describe-proxy.ts';

const manual = { proxyType: 'manual', httpProxy: 'a.test:1', sslProxy: 'b.test:2' };

const TABLE: readonly [title: string, options: BrowserOptions, words: string | undefined][] = [
  ['no proxy', {}, undefined],
  [
    'the option',
    { proxy: 'http://a.test:1' },
    'the proxy a.test:1, set by BROWSER_PROXY, --proxy or the option `proxy`',
  ],
  [
    'the capability',
    { capabilities: { proxy: manual } },
    'the proxy a.test:1, b.test:2, set by the capability `proxy`',
  ],
  [
    'the capability over the option and the argument',
    { proxy: 'http://c.test:3', arguments: ['--proxy-server=d.test:4'], capabilities: { proxy: manual } },
    'the proxy a.test:1, b.test:2, set by the capability `proxy`',
  ],
  [
    'an argument, without its password',
    { arguments: ['--proxy-server=http=ann:hunter2@a.test:1;https=http://bob:hunter2@b.test:2'] },
    'the proxy http=a.test:1;https=http://b.test:2, set by an argument of the browser',
  ],
  [
    'a PAC file',
    { proxy: 'pac+http://a.test/p.pac?token=hunter2' },
    'the proxy http://a.test/p.pac?token=***, set by BROWSER_PROXY, --proxy or the option `proxy`',
  ],
];

describe('describeProxy', () => {
  for (const [title, options, words] of TABLE)
    it(`reports where the proxy is set: ${title}`, () => {
      expect(describeProxy(options, {})).to.equal(words);
    });

  it('reports the variables that set the proxy of a local browser, on Linux', function () {
    if (process.platform !== 'linux') this.skip();
    const environment = { https_proxy: 'http://ann:hunter2@a.test:1', HTTP_PROXY: 'b.test:2' };
    expect(describeProxy({}, environment)).to.equal(
      'the proxy b.test:2, http://a.test:1, set by HTTP_PROXY, https_proxy of the environment',
    );
    expect(describeProxy({}, undefined)).to.equal(undefined);
  });
});

describe('isProxyFailure', () => {
  for (const [message, isIt] of [
    ['unknown error: net::ERR_PROXY_CONNECTION_FAILED', true],
    ['unknown error: net::ERR_TUNNEL_CONNECTION_FAILED\n  (Session info)', true],
    ['unknown error: net::ERR_SOCKS_CONNECTION_FAILED', true],
    ['unknown error: net::ERR_CONNECTION_REFUSED', false],
    ['javascript error: net::ERR_PROXY_CONNECTION_FAILED', false],
  ] as const)
    it(`returns ${isIt} for "${message}"`, () => expect(isProxyFailure(message)).to.equal(isIt));
});
