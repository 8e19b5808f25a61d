import { expect } from 'chai';

import { connectToFirst, listSocketAddresses, toClientUrl } from '../../src/driver/endpoint-socket.ts';

const at = (url: string) => ({ kind: 'endpoint', url }) as const;
const urlsOf = (offered: string, url: string) => listSocketAddresses(offered, at(url)).map((address) => address.url);

describe('The address of a socket at an endpoint', () => {
  it('is the offered one first, and then the one of the endpoint with its scheme, port and sub-path', () => {
    expect(urlsOf('ws://10.0.0.7:5555/session/ab12/se/cdp', 'https://grid.test/team')).to.eql([
      'ws://10.0.0.7:5555/session/ab12/se/cdp',
      'wss://grid.test/team/session/ab12/se/cdp',
      'wss://grid.test/session/ab12/se/cdp',
    ]);
  });

  it('has the sub-path once if the Grid offers it already', () => {
    expect(urlsOf('ws://inner.test:4444/team/session/ab12/se/bidi', 'http://grid.test:4444/team/')).to.include(
      'ws://grid.test:4444/team/session/ab12/se/bidi',
    );
  });

  it('is only the one of the endpoint if a remote Grid offers a loopback address', () => {
    expect(urlsOf('ws://127.0.0.1:5555/session/ab12/se/cdp', 'http://grid.test:4444')).to.eql([
      'ws://grid.test:4444/session/ab12/se/cdp',
    ]);
  });

  it('has the credentials of the endpoint only at the endpoint', () => {
    const target = at('http://ann:hunter2@grid.test:4444');
    const [node, router] = listSocketAddresses('ws://10.0.0.7:5555/session/ab12/se/cdp', target);
    expect(node.headers).to.eql({});
    expect(router?.headers).to.eql({ authorization: `Basic ${btoa('ann:hunter2')}` });
    expect(router?.url).not.to.contain('hunter2');
    expect(router && toClientUrl(router, target)).to.equal('ws://ann:hunter2@grid.test:4444/session/ab12/se/cdp');
    expect(toClientUrl(node, target)).to.equal('ws://10.0.0.7:5555/session/ab12/se/cdp');
  });

  it('is tried with a time limit as long as there is a further one, and the failure of the last one is reported', async () => {
    const addresses = listSocketAddresses('ws://10.0.0.7:5555/session/ab12/se/cdp', at('http://grid.test:4444'));
    const limits: (number | undefined)[] = [];
    const failing = connectToFirst(addresses, async ({ url }, limitMs) => {
      limits.push(limitMs);
      throw new Error(`no answer from ${new URL(url).host}`);
    });
    const failure = await failing.then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(failure).to.equal('no answer from grid.test:4444');
    expect(limits).to.eql([2_000, undefined]);
  });
});
