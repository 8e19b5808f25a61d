import { once } from 'node:events';
import http, { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { silentLog } from '../../../src/core/log.ts';
import { findDevToolsUrl } from '../../../src/driver/devtools.ts';
import { ApiRoute } from '../../../src/supervisor/route/api-route.ts';

describe('a Node.js that uses the proxy of its environment (NODE_USE_ENV_PROXY)', () => {
  const session = new AbortController();
  const site = createServer((_, response) => response.end('{"webSocketDebuggerUrl":"ws://site"}'));
  let restore: () => void;

  before(async () => {
    restore = http.setGlobalProxyFromEnv({ http_proxy: 'http://127.0.0.1:1' });
    await once(site.listen(0, '127.0.0.1'), 'listening');
  });

  after(() => {
    restore();
    session.abort();
    site.closeAllConnections();
    site.close();
  });

  const address = () => `127.0.0.1:${(site.address() as AddressInfo).port}`;

  it('makes API calls without a proxy if the browser has none', async () => {
    const { signal } = session;
    const route = new ApiRoute({
      switches: async () => [],
      environment: undefined,
      acceptsInsecureCerts: false,
      signal,
      log: silentLog,
    });
    expect((await route.fetch(`http://${address()}/`, {})).status).to.equal(200);
  });

  it('connects to DevTools on loopback without a proxy', async () => {
    expect(await findDevToolsUrl(address(), session.signal)).to.equal('ws://site');
  });
});
