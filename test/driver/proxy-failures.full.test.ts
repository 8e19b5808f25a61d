import { expect } from 'chai';

import { openForwardProxy } from '../support/forward-proxy.ts';
import { localBrowser } from './support/local-browser.ts';
import { rejectionOf } from './support/programs.ts';
import { openSession } from './support/sessions.ts';

describe("A page that fails because of the browser's proxy", () => {
  it('names a proxy that does not answer, and the setting', async () => {
    await using s = await openSession(await localBrowser(), { browser: { proxy: 'http://127.0.0.1:1' } });
    const error = await rejectionOf(s.driver.get('http://shop.test/'));
    expect(error.message).to.match(
      /ERR_PROXY_CONNECTION_FAILED \(through the proxy 127\.0\.0\.1:1, set by BROWSER_PROXY, --proxy or the option `proxy`\)\n/,
    );
    expect(s.deaths).to.deep.equal([]);
  });

  it('names a proxy that refuses a tunnel', async () => {
    await using proxy = await openForwardProxy({ login: 'ann:hunter2' });
    const environment = { https_proxy: proxy.url.replace('//', '//ann:hunter2@') };
    await using s = await openSession(await localBrowser(), { browser: { environment } });
    const error = await rejectionOf(s.driver.get('https://shop.test/'));
    expect(error.message).to.match(
      /net::ERR_\w+ \(through the proxy http:\/\/127\.0\.0\.1:\d+, set by https_proxy of the/,
    );
    expect(error.message).not.to.contain('hunter2');
  });
});
