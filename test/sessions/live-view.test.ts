import { expect } from 'chai';

import { liveViewOf } from '../../src/driver/driver.ts';
import { MEMORY_REGISTRY_URL, openRegistry } from '../../src/registry/registry.ts';
import { SessionManager } from '../../src/sessions/sessions.ts';
import { openScriptedWebDriver } from '../../src/testing.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

const ON_GRID = { browserName: 'chrome', 'se:bidiEnabled': false };

describe('The page of a Grid about a session', () => {
  for (const [endpoint, page] of [
    ['http://grid:4444', 'http://grid:4444/ui/#/session/1'],
    ['http://ann:secret@grid:4444/', 'http://grid:4444/ui/#/session/1'],
    ['https://grid.example.org/sub/path/', 'https://grid.example.org/sub/path/ui/#/session/1'],
    ['http://grid:4444/wd/hub', 'http://grid:4444/ui/#/session/1'],
  ] as const) {
    it(`has an address without credentials: ${endpoint}`, () => {
      expect(liveViewOf(endpoint, { sessionId: '1', capabilities: ON_GRID })).to.equal(page);
    });
  }

  it('does not exist if the endpoint is a driver', () => {
    expect(liveViewOf('http://grid:4444', { sessionId: '1', capabilities: { browserName: 'chrome' } })).to.equal(
      undefined,
    );
  });

  it('is stored for each session, also after a death', async () => {
    await using server = await openScriptedWebDriver({ capabilities: ON_GRID });
    await using registry = await openRegistry(MEMORY_REGISTRY_URL);
    const config = makeTestConfig();
    const manager = await SessionManager.open({ registry, config, supervisor: { gridUrl: server.url } });
    try {
      const session = await manager.acquire('ann');
      const [first] = server.sessionIds;
      server.endSession(first);
      await session.supervisor.driver.getTitle().catch(() => undefined);
      await session.restart();
      const rows = await registry.sessions.list({ owner: 'ann' });
      const pages = [first, ...server.sessionIds].map((id) => `${server.url}/ui/#/session/${id}`);
      expect(rows.map(({ liveView }) => liveView).toReversed()).to.deep.equal(pages);
    } finally {
      await manager.shutdown();
    }
  });
});
