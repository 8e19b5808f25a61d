import { expect } from 'chai';

import { toFetchFailure } from '../../../src/supervisor/route/fetch-failure.ts';

describe('toFetchFailure', () => {
  for (const [message, kind] of [
    ['connect ECONNREFUSED 127.0.0.1:407', 'network'],
    ['getaddrinfo ENOTFOUND shop-407.test (through the proxy http://127.0.0.1:407)', 'network'],
    ['Proxy Authentication Required (407)', 'network'],
    ['Proxy Authentication Required (407) (through the proxy http://proxy.test:3128)', 'call'],
    ['Proxy response (407) !== 200 when HTTP Tunneling (through the proxy http://proxy.test:3128)', 'call'],
  ] as const)
    it(`classifies "${message}" as a failure of the ${kind}`, () => {
      const failure = toFetchFailure(new TypeError('fetch failed', { cause: new Error(message) }));
      expect(failure.kind).to.equal(kind);
      expect(failure.reason.includes('requires a user name')).to.equal(kind === 'call');
    });
});
