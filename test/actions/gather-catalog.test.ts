import { expect } from 'chai';
import { runAction, type SessionSupervisor } from 'webdriver-supervisor';
import gatherCatalog from '../../actions/gather-catalog.ts';
import { openDemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { makeTemporaryFolder, readRecords, whenReached } from './site.ts';

const SMALL = { pages: 4, itemsPerPage: 10 };

describe('gather-catalog', () => {
  it('gathers every product once, in catalogue order', async () => {
    await using shop = await openDemoShop(SMALL);
    await using output = await makeTemporaryFolder();
    const outcome = await runAction(gatherCatalog, { url: shop.url }, { output: output.path });
    expect(outcome.error).to.equal(null);
    expect(outcome).to.deep.include({ status: 'completed', records: 40, sessions: 1 });
    expect(outcome.counts).to.deep.equal({ total: 44, done: 44, failed: 0, cancelled: 0, skipped: 0 });
    expect(await readRecords(outcome.outputs['records'])).to.deep.equal(shop.expectedRecords());
  });

  it('ends with the same records when its browser is killed half-way', async () => {
    await using shop = await openDemoShop(SMALL);
    await using output = await makeTemporaryFolder();
    let browser: SessionSupervisor | undefined;
    // Half of the products are fetched then, and some are under way.
    const killed = whenReached(
      () => shop.requests.details >= 15,
      () => process.kill(browser?.pids.browser ?? 0, 'SIGKILL'),
    );
    const outcome = await runAction(
      gatherCatalog,
      { url: shop.url },
      { output: output.path, onSession: (supervisor) => (browser = supervisor) },
    );
    await killed;
    expect(outcome.error).to.equal(null);
    expect(outcome).to.deep.include({ status: 'completed', records: 40, sessions: 2 });
    expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal(['browser-gone']);
    expect(outcome.counts).to.deep.equal({ total: 44, done: 44, failed: 0, cancelled: 0, skipped: 0 });
    expect(await readRecords(outcome.outputs['records'])).to.deep.equal(shop.expectedRecords());
  });
});
