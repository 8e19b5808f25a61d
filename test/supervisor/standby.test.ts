import { expect } from 'chai';
import { openScriptedWebDriver, type ScriptedWebDriver } from 'webdriver-supervisor/testing';
import { ConfigError } from '../../src/core/errors.ts';
import type { SessionDeathError } from '../../src/driver/driver.ts';
import { StandbyKeeper } from '../../src/supervisor/standby/standby-keeper.ts';
import { SessionSupervisor, type ObservedOptions } from '../../src/supervisor/supervisor.ts';
import { LogWatch } from '../support/log-watch.ts';
import { kill, rejectionOf, turn } from './support.ts';

const WAITS = 'waits for its promotion';

describe('SessionSupervisor: the standby', () => {
  let server: ScriptedWebDriver;
  let watch: LogWatch;
  let keeper: StandbyKeeper;
  const open: SessionSupervisor[] = [];

  beforeEach(async () => {
    server = await openScriptedWebDriver();
    watch = new LogWatch();
    keeper = new StandbyKeeper({ log: watch.log, startDelayMs: 1 });
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((supervisor) => supervisor.stop()));
    await keeper.stop();
    const { sessionIds } = server;
    await server.close();
    expect(sessionIds, 'the sessions that are left').to.deep.equal([]);
  });

  async function start(options: ObservedOptions = {}): Promise<SessionSupervisor> {
    const given = { gridUrl: server.url, standbyKeeper: keeper, heartbeatIntervalMs: 3_600_000, ...options };
    const supervisor = await SessionSupervisor.start(given);
    open.push(supervisor);
    return supervisor;
  }

  /** Resolves with the session id of the standby when it waits. */
  async function waiting(from?: number): Promise<string> {
    await watch.next(WAITS, from);
    return server.sessionIds.find((id) => open.every(({ sessionId }) => sessionId !== id)) ?? 'none';
  }

  it('becomes the next session after a death, without a further start, and with its own epoch and halt', async () => {
    const supervisor = await start();
    const standby = await waiting(0);
    const dead = supervisor.signal;
    const from = watch.lines.length;
    kill(supervisor);
    await supervisor.restart();
    expect(supervisor).to.include({ sessionId: standby, epoch: 2, state: 'alive' });
    expect(supervisor.health).to.include({ deathDetected: false, shouldHalt: false, epoch: 2 });
    expect(await supervisor.driver.getTitle()).to.contain('Title');
    expect(supervisor.signal).not.to.equal(dead);
    expect(await waiting(from), 'another one follows').not.to.equal(standby);
    kill(supervisor);
    const refusal = await rejectionOf(supervisor.driver.getTitle());
    expect((refusal as SessionDeathError).death.epoch).to.equal(2);
  });

  it('is no session until it is promoted: neither for events, for observers nor for hooks', async () => {
    const facts: string[] = [];
    const supervisor = await start({
      observer: {
        onStarted: ({ sessionId }) => void facts.push(`started ${sessionId}`),
        onDead: () => void facts.push('dead'),
        beforeSend: async () => void facts.push('sent'),
      },
      beforeCommand: ({ label }) => void facts.push(label),
    });
    supervisor.on('session:started', ({ epoch }) => facts.push(`epoch ${epoch}`));
    const first = supervisor.sessionId;
    const standby = await waiting(0);
    expect(facts.splice(0)).to.deep.equal(['POST /session', 'sent', `started ${first}`]);
    kill(supervisor);
    await supervisor.restart();
    expect(facts.splice(0)).to.deep.equal(['dead', `started ${standby}`, 'epoch 2']);
    await supervisor.driver.getTitle();
    expect(facts).to.deep.equal(['GET /title', 'sent']);
  });

  it('is replaced if it does not answer, and its supervisor starts a session', async () => {
    const supervisor = await start({ heartbeatTimeoutMs: 20 });
    const standby = await waiting(0);
    server.endSession(standby);
    kill(supervisor);
    await supervisor.restart();
    expect(supervisor).to.include({ epoch: 2, state: 'alive' });
    expect(supervisor.sessionId).not.to.equal(standby);
  });

  it('is probed at each heartbeat, and replaced when it has died, without a death on record', async () => {
    const supervisor = await start({ heartbeatIntervalMs: 5 });
    supervisor.on('session:dead', () => expect.fail('a standby is no session'));
    const standby = await waiting(0);
    const from = watch.lines.length;
    server.endSession(standby);
    const { reason } = await watch.next('The standby has died', from);
    expect(reason).to.be.a('string');
    const next = await waiting(from);
    expect(next).not.to.equal(standby);
    kill(supervisor);
  });

  it('is replaced when it is old', async () => {
    keeper = new StandbyKeeper({ log: watch.log, startDelayMs: 1, maxAgeMs: 1 });
    await start();
    const standby = await waiting(0);
    await waiting();
    expect(server.sessionIds).not.to.include(standby);
  });

  it('is started again until that succeeds', async () => {
    const supervisor = await start();
    server.answer('POST /session', { error: 'session not created', message: 'no slots' }, { times: 3 });
    await waiting(0);
    const failures = watch.lines.filter(({ message }) => message.includes('could not be started'));
    expect(failures.map(({ fields }) => String(fields['reason'])))
      .to.have.length(3)
      .and.to.match(/no slots/);
    expect(supervisor.state).to.equal('alive');
  });

  it('is one for all supervisors that share it: the first one that needs it gets it', async () => {
    const supervisors = [await start({ owner: 'ann' }), await start({ owner: 'bob' }), await start({ owner: 'eve' })];
    const standby = await waiting(0);
    expect(server.sessionIds).to.have.length(4);
    const [ann, bob] = supervisors as [SessionSupervisor, SessionSupervisor];
    kill(ann);
    kill(bob);
    const from = watch.lines.length;
    await bob.restart();
    await ann.restart();
    expect(bob.sessionId).to.equal(standby);
    expect(ann.sessionId).not.to.equal(standby);
    await waiting(from);
    expect(server.sessionIds).to.have.length(4);
    await bob.stop();
    expect(server.sessionIds, 'a supervisor does not stop what it shares').to.have.length(3);
  });

  it('is not promoted for a supervisor with other options', async () => {
    await start();
    const standby = await waiting(0);
    const other = await start({ capabilities: { 'scripted:other': true } });
    kill(other);
    await other.restart();
    expect(other.sessionId).not.to.equal(standby);
    expect(server.sessionIds).to.include(standby);
  });

  it('is awaited if it is being started when a session dies', async () => {
    const supervisor = await start();
    const held = server.hold('POST /session');
    await held.caught;
    kill(supervisor);
    const restarting = supervisor.restart();
    held.release();
    await restarting;
    expect(server.requests.filter(({ path }) => path.endsWith('/session'))).to.have.length(2);
  });

  it('does not wait for the end of the dead session, and a plain start at an endpoint does', async () => {
    const supervisor = await start();
    const standby = await waiting(0);
    const from = watch.lines.length;
    const held = server.hold('DELETE /');
    kill(supervisor);
    await supervisor.restart();
    expect(supervisor.sessionId).to.equal(standby);
    held.release();
    await waiting(from);
    await keeper.stop();

    const started = () => server.requests.filter(({ path }) => path.endsWith('/session')).length;
    const before = started();
    const again = server.hold('DELETE /');
    kill(supervisor);
    const restarting = supervisor.restart();
    await again.caught;
    await turn();
    expect(started()).to.equal(before);
    again.release();
    await restarting;
    expect(started()).to.equal(before + 1);
  });

  it('leaves nothing if the supervisor is stopped, also while the standby starts', async () => {
    const waits = await start({ standbyKeeper: undefined, standby: true });
    await waits.stop();
    const supervisor = await start();
    const held = server.hold('POST /session');
    await held.caught;
    const stopping = keeper.stop();
    held.release();
    await stopping;
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
  });

  it('does not change the restart limit', async () => {
    const supervisor = await start({ restartLimit: { limit: 1, windowMs: 600_000 } });
    await waiting(0);
    kill(supervisor);
    await supervisor.restart();
    await waiting();
    kill(supervisor);
    expect(await rejectionOf(supervisor.restart())).to.include({ code: 'restart-limit' });
  });

  it('is refused for an attached session, and for a profile or a port that only one browser can use', async () => {
    const attaching = SessionSupervisor.attach(server.url, 'x', {}, { standby: true });
    expect(await rejectionOf(attaching)).to.be.instanceOf(ConfigError);
    for (const options of [{ userDataDir: '/profile' }, { arguments: ['--remote-debugging-port=9222'] }]) {
      const error = await rejectionOf(SessionSupervisor.start({ ...options, standby: true }));
      expect(error).to.be.instanceOf(ConfigError);
      expect(error.message).to.contain('standby');
    }
  });
});
