import { expect } from 'chai';
import { openTestManager } from 'webdriver-supervisor/testing';

describe('openTestManager: the testing kit of sessions (R512)', () => {
  it('has scripted sessions, and ends everything that it started', async () => {
    let left: readonly string[];
    {
      await using stage = await openTestManager();
      const { supervisor } = await stage.manager.acquire('ann');
      expect(stage.server.sessionIds).to.deep.equal([supervisor.sessionId]);
      left = stage.server.sessionIds;
    }
    expect(left).to.have.length(1);
  });

  it('waits for a clean-up, which removes ended sessions', async () => {
    await using stage = await openTestManager();
    await (await stage.manager.acquire('ann')).end();
    expect(await stage.manager.count()).to.equal(1);
    expect(await stage.nextCleanup()).to.deep.equal({ removed: 1, failed: 0 });
    expect(await stage.manager.count()).to.equal(0);
  });

  it('reports a death within its short heartbeat', async () => {
    await using stage = await openTestManager();
    const { supervisor } = await stage.manager.acquire('ann');
    const dead = Promise.withResolvers<string>();
    supervisor.on('session:dead', ({ death }) => dead.resolve(death.cause));
    stage.server.endSession(supervisor.sessionId);
    expect(await dead.promise).to.equal('session-removed');
  });
});
