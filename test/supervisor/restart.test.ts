import { expect } from 'chai';
import { spy } from 'sinon';
import { SessionDeathError, SessionEndedError, SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { SessionStartError } from '../../src/driver/driver.ts';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { kill, rejectionOf, startScripted, turn } from './support.ts';

const failStart = { error: 'session not created', message: 'no more slots' };

describe('SessionSupervisor: restarting', () => {
  it('begins a new epoch with its own halt flag, counts and driver, which is the only way to reset them (R102)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const { signal: firstSignal, driver: firstDriver, sessionId: firstId } = supervisor;
    kill(supervisor);
    await rejectionOf(supervisor.driver.getTitle());
    expect(supervisor.health).to.include({ deathDetected: true, cascadeCount: 1, shouldHalt: true });
    await supervisor.restart();
    expect(supervisor.health).to.include({
      isAlive: true,
      epoch: 2,
      deathDetected: false,
      deathAt: null,
      death: null,
      shouldHalt: false,
      cascadeCount: 0,
      parallelOperations: 0,
    });
    expect(supervisor.isSessionDeathCascade()).to.equal(false);
    expect(supervisor.sessionId).not.to.equal(firstId);
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
    expect(firstSignal.aborted).to.equal(true);
    const refusal = await rejectionOf(firstDriver.getTitle());
    expect(refusal, 'the old driver stays halted').to.be.instanceOf(SessionDeathError);
    expect((refusal as SessionDeathError).death).to.equal((firstSignal.reason as SessionDeathError).death);
    expect(refusal.message).to.equal(
      'This driver belongs to session 1, which died (lease-lost); a newer session has a driver of its own. ' +
        'After `restart()`, take `supervisor.driver` again; in an action, use the `driver` that `run` is given each time it is entered.',
    );
    expect(supervisor.health.cascadeCount, 'which is not charged to the new session').to.equal(0);
    expect(await supervisor.driver.getTitle()).to.contain('Title');
  });

  it('ends a live session with a quit first, and does not count this against the limit', async () => {
    await using scripted = await startScripted({ restartLimit: { limit: 1, windowMs: 600_000 } });
    const { supervisor, server } = scripted;
    for (let count = 0; count < 5; count++) await supervisor.restart();
    expect(supervisor).to.include({ state: 'alive', epoch: 6 });
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(5);
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
  });

  it('serialises simultaneous calls: the last call decides, and at most one session is left', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    await Promise.allSettled([supervisor.restart(), supervisor.restart(), supervisor.stop(), supervisor.restart()]);
    expect(supervisor.state).to.equal('alive');
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
    await Promise.allSettled([supervisor.restart(), supervisor.stop()]);
    expect(supervisor.state).to.equal('ended');
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('aborts a start in progress when the supervisor is stopped', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    kill(supervisor);
    const hold = server.hold('POST /session');
    const restarting = rejectionOf(supervisor.restart());
    await server.waitForRequest('POST /session', { count: 2 });
    const stopping = supervisor.stop();
    hold.release();
    await stopping;
    expect(await restarting).to.be.instanceOf(SessionEndedError);
    expect(supervisor.state).to.equal('dead');
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('ends the wait before a start when the supervisor is stopped', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    kill(supervisor);
    await supervisor.restart();
    kill(supervisor);
    const restarting = rejectionOf(supervisor.restart());
    await turn();
    await supervisor.stop();
    expect(await restarting).to.be.instanceOf(SessionEndedError);
    expect(server.requests.filter(({ path: sent }) => sent === '/session')).to.have.length(2);
    await supervisor.restart();
    expect(supervisor.state, 'a later restart is not touched by the stop').to.equal('alive');
  });

  for (const which of ['the supervisor’s own signal', 'the restart’s signal'] as const) {
    it(`aborts a start in progress when ${which} aborts`, async () => {
      const own = new AbortController();
      const given = new AbortController();
      await using scripted = await startScripted({ signal: own.signal });
      const { supervisor, server } = scripted;
      kill(supervisor);
      const hold = server.hold('POST /session');
      const restarting = rejectionOf(supervisor.restart({ signal: given.signal }));
      await server.waitForRequest('POST /session', { count: 2 });
      const reason = new Error('Ctrl+C');
      (which === 'the restart’s signal' ? given : own).abort(reason);
      hold.release();
      expect(await restarting).to.equal(reason);
      expect(supervisor.state).to.equal('dead');
      expect(server.sessionIds).to.deep.equal([]);
    });
  }

  it('repeats a failed start after a death, within the limit (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    kill(supervisor);
    server.answer('POST /session', failStart, { times: 2 });
    await supervisor.restart();
    expect(server.requests.filter(({ path: sent }) => sent === '/session')).to.have.length(4);
    expect(supervisor.health).to.include({ state: 'alive', epoch: 2, deathDetected: false });
  });

  it('rejects beyond the limit with the last failure as the cause, and stays dead (R108)', async () => {
    await using scripted = await startScripted({ restartLimit: { limit: 1, windowMs: 600_000 } });
    const { supervisor, server } = scripted;
    kill(supervisor);
    const reason = supervisor.signal.reason as Error;
    server.answer('POST /session', failStart);
    const error = await rejectionOf(supervisor.restart());
    expect(error).to.include({ code: 'restart-limit' });
    expect((error.cause as Error).message).to.contain('no more slots');
    expect(supervisor.state).to.equal('dead');
    expect(supervisor.signal.reason).to.equal(reason);
    expect(supervisor.health.deathDetected).to.equal(true);
    const again = await rejectionOf(supervisor.restart());
    expect(again.cause, 'no start was tried; the death is the cause').to.equal(reason);
  });

  it('reports a failed start at once if no session had died', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    server.answer('POST /session', failStart);
    expect(await rejectionOf(supervisor.restart())).to.be.instanceOf(SessionStartError);
    expect(supervisor.state).to.equal('ended');
    await supervisor.stop();
  });

  it('announces each session with its number and id', async () => {
    await using scripted = await startScripted({ owner: 'anna' });
    const { supervisor } = scripted;
    const events: unknown[] = [];
    supervisor.on('session:started', (event) => events.push(event));
    supervisor.on('heartbeat', ({ epoch }) => events.push(epoch));
    kill(supervisor);
    await supervisor.restart();
    expect(events).to.deep.equal([{ owner: 'anna', epoch: 2, sessionId: supervisor.sessionId }, 2]);
  });
});

describe('SessionSupervisor: the action’s own quit', () => {
  it('ends the epoch without a death, and later calls report that the session was ended (R102)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const dead = spy();
    const ended = spy();
    supervisor.on('session:dead', dead);
    supervisor.on('session:ended', ended);
    await supervisor.driver.quit();
    expect(supervisor.state).to.equal('ended');
    expect(supervisor.health).to.include({ deathDetected: false, shouldHalt: true, cascadeCount: 0 });
    expect(ended.callCount).to.equal(1);
    expect(dead.callCount).to.equal(0);
    expect(await rejectionOf(supervisor.api.json('http://shop.test/'))).to.be.instanceOf(SessionEndedError);
    expect((await rejectionOf(supervisor.driver.getTitle())).message, 'selenium’s own words').to.contain('quit()');
    const { counts, stoppedBy } = await supervisor.batch([1, 2], () => 1);
    expect(counts).to.include({ total: 2, cancelled: 2 });
    expect(stoppedBy).to.be.instanceOf(SessionEndedError);
    await supervisor.stop();
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
    await supervisor.restart();
    expect(supervisor).to.include({ state: 'alive', epoch: 2 });
  });

  it('includes closing the last window, but not another one (R103)', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    await supervisor.driver.switchTo().newWindow('tab');
    await supervisor.driver.close();
    expect(supervisor.state).to.equal('alive');
    const [left] = await supervisor.driver.getAllWindowHandles();
    await supervisor.driver.switchTo().window(left!);
    await supervisor.driver.close();
    expect(supervisor.state).to.equal('ended');
  });
});

describe('SessionSupervisor.attach', () => {
  it('watches a session that another program started, never ends it, and can’t restart it', async () => {
    await using other = await startScripted();
    const { sessionId } = other.supervisor;
    const supervisor = await SessionSupervisor.attach(other.server.url, sessionId!, { browserName: 'scripted' });
    expect(supervisor).to.include({ state: 'alive', epoch: 1, sessionId });
    expect(supervisor.capabilities['browserName']).to.equal('scripted');
    expect(await supervisor.driver.getTitle()).to.contain('Title');
    const refusal = await rejectionOf(supervisor.restart());
    expect(refusal).to.be.instanceOf(SessionStartError);
    expect(supervisor.state, 'and is not ended by the attempt').to.equal('alive');
    await supervisor.stop();
    expect(supervisor.state).to.equal('ended');
    expect(other.server.sessionIds).to.deep.equal([sessionId]);
    expect(other.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(0);
    expect(await other.supervisor.driver.getTitle(), 'its owner goes on').to.contain('Title');
  });

  it('sends no DELETE when it declares a death', async () => {
    await using other = await startScripted();
    const supervisor = await SessionSupervisor.attach(other.server.url, other.supervisor.sessionId!, {});
    kill(supervisor);
    await supervisor.stop();
    expect(other.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(0);
  });

  it('rejects at once, instead of after a heartbeat, if the session does not exist (R103)', async () => {
    await using server = await openScriptedWebDriver();
    const error = await rejectionOf(
      SessionSupervisor.attach(server.url, 'no-such-session', {}).then((supervisor) => supervisor.stop()),
    );
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain('invalid session id');
  });
});
