import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';
import { useFakeTimers } from 'sinon';

import { silentLog, type Log } from '../../../src/core/log.ts';
import { ApiRoute } from '../../../src/supervisor/route/api-route.ts';

const PROXY_OF_NONE = 'function FindProxyForURL() { return "PROXY 127.0.0.1:1"; }';

describe('ApiRoute and PAC files', () => {
  let site: Server;
  let answer: (incoming: IncomingMessage, response: ServerResponse) => void;
  let warnings: string[];
  let session: AbortController;

  beforeEach(async () => {
    warnings = [];
    session = new AbortController();
    site = createServer((incoming, response) =>
      incoming.url === '/pac' ? answer(incoming, response) : void response.end('site'),
    );
    await once(site.listen(0, '127.0.0.1'), 'listening');
  });

  afterEach(() => {
    session.abort();
    site.closeAllConnections();
    site.close();
  });

  const port = () => (site.address() as AddressInfo).port;
  const routeBy = (url: string) => {
    const log: Log = { ...silentLog, warn: (_, details) => void warnings.push(JSON.stringify(details)) };
    return new ApiRoute({
      switches: async () => [`--proxy-pac-url=${url}`],
      environment: undefined,
      acceptsInsecureCerts: false,
      signal: session.signal,
      log,
    });
  };
  /** An address of this machine that is not a loopback address, because no PAC file is used for loopback. */
  const wayOf = (route: ApiRoute) =>
    route.fetch(`http://0.0.0.0:${port()}/`, {}).then(
      () => 'direct',
      (thrown: Error) => (thrown.cause as Error).message.replace(/.*(through the proxy \S+)\)$/, '$1'),
    );
  const dataUrl = (script: string) => `data:,${encodeURIComponent(script)}`;

  for (const [title, script] of [
    ['loops in its answer', 'function FindProxyForURL() { for (;;) try { for (;;); } catch (e) {} }'],
    ['loops when it is loaded', 'for (;;); function FindProxyForURL() {}'],
    ['takes all memory', 'function FindProxyForURL() { const a = []; for (;;) a.push(new Array(10000).fill(1)); }'],
  ] as const)
    it(`makes the call without a proxy, with a warning, if the script ${title}`, async () => {
      const route = routeBy(dataUrl(script));
      const startedAt = performance.now();
      expect(await wayOf(route)).to.equal('direct');
      expect(performance.now() - startedAt).to.be.below(3_000);
      expect(warnings).to.have.length(1);
      const againAt = performance.now();
      if (title !== 'takes all memory') {
        expect(await wayOf(route)).to.equal('direct');
        expect(performance.now() - againAt).to.be.below(500);
      }
    });

  it('loads a file again some seconds after it could not be loaded', async () => {
    const clock = useFakeTimers({ toFake: ['performance'] });
    try {
      let loads = 0;
      answer = (_, response) => {
        loads += 1;
        response.writeHead(loads === 1 ? 503 : 200).end(PROXY_OF_NONE);
      };
      const route = routeBy(`http://127.0.0.1:${port()}/pac`);
      expect([await wayOf(route), await wayOf(route), loads]).to.deep.equal(['direct', 'direct', 1]);
      clock.tick(8_000);
      expect([await wayOf(route), loads]).to.deep.equal(['through the proxy http://127.0.0.1:1', 2]);
    } finally {
      clock.restore();
    }
  });

  it('sends the user name and the password in the file’s URL, and does not log them', async () => {
    let authorization: string | undefined;
    let status = 200;
    answer = ({ headers }, response) => {
      ({ authorization } = headers);
      response.writeHead(status).end(PROXY_OF_NONE);
    };
    const url = `http://ann:s3cret@127.0.0.1:${port()}/pac`;
    expect(await wayOf(routeBy(url))).to.equal('through the proxy http://127.0.0.1:1');
    expect(authorization).to.equal(`Basic ${Buffer.from('ann:s3cret').toString('base64')}`);
    status = 403;
    expect(await wayOf(routeBy(url))).to.equal('direct');
    expect(warnings.join()).to.contain('403').and.not.contain('s3cret');
  });
});
