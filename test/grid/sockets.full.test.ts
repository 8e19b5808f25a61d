import { expect } from 'chai';

import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import type { Grid } from '../../scripts/grid/open-grid.ts';
import { openGridOrSkip } from './support.ts';

/** The used part of selenium's CDP connection. */
interface CdpConnection {
  send(method: string, params: object): Promise<{ readonly result: { readonly product?: string } }>;
}

describe('The sockets of a session on a Grid behind a name that this machine does not know', function () {
  let grid: Grid;

  before(async function () {
    grid = await openGridOrSkip(this, {
      nodes: 1,
      slots: 1,
      subPath: '/team',
      credentials: { username: 'ann', password: 'hunter2' },
      nodeArguments: ['--grid-url', 'http://inner.invalid:4444'],
    });
  });

  after(() => grid?.[Symbol.asyncDispose]());

  it('go through the router, with the credentials of GRID_URL', async () => {
    await using supervisor = await SessionSupervisor.start({ gridUrl: grid.url, bidi: true });
    const { host } = new URL(grid.url);
    expect(supervisor.capabilities['se:cdp']).to.match(
      new RegExp(`^ws://ann:hunter2@${host}/(team/)?session/[^/]+/se/cdp$`),
    );
    expect(supervisor.capabilities['webSocketUrl']).to.contain(`@${host}/`);
    // DevTools reports cookies only over its socket.
    await supervisor.driver.get('data:text/html,<title>ready</title>');
    expect(await supervisor.checkpoint()).to.equal(true);
    const connection = (await supervisor.driver.createCDPConnection('page')) as unknown as CdpConnection;
    expect((await connection.send('Browser.getVersion', {})).result.product).to.contain('Chrom');
    const bidi = await supervisor.driver.getBidi();
    expect(await bidi.send({ method: 'session.status', params: {} })).to.have.property('result');
  });
});
