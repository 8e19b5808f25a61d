import { expect } from 'chai';

import { ConfigError } from '../../src/core/errors.ts';
import { SessionStartError } from '../../src/driver/driver.ts';
import { assertEndpoint, downloadsFrom } from '../../src/supervisor/endpoint-check.ts';
import { openScriptedWebDriver } from '../../src/testing.ts';

const json = (value: object) => ({
  status: 200,
  body: JSON.stringify({ value }),
  headers: { 'content-type': 'application/json' },
});
const WITHOUT_NODES = json({ ready: false, message: 'Selenium Grid not ready.', nodes: [] });

async function failureOf(checking: Promise<unknown>): Promise<Error> {
  return checking.then(
    () => expect.fail('nothing was refused'),
    (error: Error) => error,
  );
}

describe('The endpoint of a run', () => {
  it('is waited for until it has a node', async () => {
    await using server = await openScriptedWebDriver();
    server.answer('GET /status', WITHOUT_NODES, { times: 1 });
    const startedAt = performance.now();
    await assertEndpoint(server.url, { waitMs: 60_000 });
    expect(performance.now() - startedAt).to.be.within(150, 10_000);
  });

  it('is refused with the reason if it is not ready in time', async () => {
    await using server = await openScriptedWebDriver({ answers: { 'GET /status': WITHOUT_NODES } });
    const error = await failureOf(assertEndpoint(server.url, { waitMs: 1 }));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.match(/was not ready within .*node.*--wait/);
  });

  it('is left to the start of the session if it is not ready and nothing is to be waited for', async () => {
    await using server = await openScriptedWebDriver({ answers: { 'GET /status': WITHOUT_NODES } });
    await assertEndpoint(server.url, {});
  });

  it('is refused before the run if GRID_URL is wrong, without a wait', async () => {
    const page = { status: 200, body: '<!DOCTYPE html><title>Selenium Grid</title>' };
    await using server = await openScriptedWebDriver({ answers: { 'GET /status': page } });
    const error = await failureOf(assertEndpoint(server.url, { waitMs: 60_000 }));
    expect(error).to.be.instanceOf(ConfigError);
    expect(error.message).to.contain('without /ui');
  });

  it('may be a service that has no /status', async () => {
    await using server = await openScriptedWebDriver({ answers: { 'GET /status': { status: 404, body: 'nothing' } } });
    await assertEndpoint(server.url, {});
  });
});

describe('The downloads of a Grid', () => {
  const offer = (browserName: string, hasDownloads: boolean) => ({
    browserName,
    browserVersion: undefined,
    platformName: undefined,
    hasDownloads,
  });
  const grid = { nodes: 3, slots: 3, sessions: 0, offers: [offer('chrome', false), offer('firefox', true)] };

  it('are asked for if all nodes of the browser send them, whether an option or a capability names it', () => {
    const asked = { capabilities: { 'se:downloadsEnabled': true } };
    expect(downloadsFrom(grid, {})).to.deep.equal({});
    expect(downloadsFrom(grid, { browserName: 'firefox' })).to.deep.equal(asked);
    expect(downloadsFrom(grid, { browserName: 'chrome', capabilities: { browserName: 'firefox' } })).to.deep.equal(
      asked,
    );
    const mixed = { ...grid, offers: [...grid.offers, offer('firefox', false)] };
    expect(downloadsFrom(mixed, { browserName: 'firefox' })).to.deep.equal({});
    expect(downloadsFrom(undefined, {})).to.deep.equal({});
  });
});
