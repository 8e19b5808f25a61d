import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { killProcess } from 'webdriver-supervisor/testing';
import { MEMORY_REGISTRY_URL, openRegistry } from '../../src/registry/registry.ts';
import { SessionManager } from '../../src/sessions/sessions.ts';
import { LogWatch } from '../support/log-watch.ts';
import { makeTestConfig } from '../support/scripted-run.ts';

describe('SessionManager: a standby, on a real browser', () => {
  it('is in no row until it is promoted, and then has the next row, with its processes and its folder', async () => {
    const watch = new LogWatch();
    const registry = await openRegistry(MEMORY_REGISTRY_URL);
    const supervisor = { standby: true };
    const manager = await SessionManager.open({ registry, config: makeTestConfig(), supervisor, log: watch.log });
    try {
      const session = await manager.acquire('ann');
      const { browser } = await watch.next('waits for its promotion', 0);
      const first = await registry.sessions.get(session.sessionId);
      expect(await registry.sessions.count({})).to.equal(1);
      const halted = once(session.supervisor.signal, 'abort');
      killProcess(session.supervisor.pids.browser!);
      await halted;
      await session.restart();
      const next = await registry.sessions.get(session.sessionId);
      const { pids, driverFolder, sessionId } = session.supervisor;
      expect(pids.browser).to.equal(browser);
      expect(next).to.include({
        owner: 'ann',
        status: 'active',
        epoch: 2,
        webdriverId: sessionId,
        browserPid: browser,
        driverPid: pids.driver,
        folder: driverFolder,
        token: first?.token,
      });
      expect(next?.folder).not.to.equal(first?.folder);
      expect(await registry.sessions.get(first!.id)).to.include({ status: 'dead' });
      await manager.shutdown();
      expect(existsSync(next!.folder!)).to.equal(false);
      expect(await registry.sessions.get(next!.id)).to.include({ status: 'ended' });
    } finally {
      await manager.shutdown();
      await registry.close();
    }
  });
});
