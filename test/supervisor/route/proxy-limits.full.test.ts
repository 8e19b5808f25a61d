import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import { expect } from 'chai';

import { silentLog } from '../../../src/core/log.ts';
import { ApiRoute } from '../../../src/supervisor/route/api-route.ts';
import { rejectionOf } from '../support.ts';

describe('ApiRoute and proxies that do not answer', () => {
  for (const scheme of ['http', 'socks4', 'socks5'])
    it(`abandons a ${scheme} proxy that opens no tunnel within 10 s`, async () => {
      const server = createServer((socket) => void socket.on('error', () => undefined).resume());
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const session = new AbortController();
      const route = new ApiRoute({
        switches: async () => [`--proxy-server=${scheme}://127.0.0.1:${port}`, '--proxy-bypass-list=<-loopback>'],
        environment: undefined,
        acceptsInsecureCerts: false,
        signal: session.signal,
        log: silentLog,
      });
      const startedAt = performance.now();
      await rejectionOf(route.fetch('https://127.0.0.1:8443/', {}));
      expect(performance.now() - startedAt).to.be.within(9_000, 13_000);
      session.abort();
      server.close();
    });
});
