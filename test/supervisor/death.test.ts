import { expect } from 'chai';
import { spy, useFakeTimers } from 'sinon';
import type { Death } from '../../src/model/death.ts';
import { SessionDeathError, type SupervisorHealth } from '../../src/supervisor/supervisor.ts';
import { kill, rejectionOf, startScripted, turn } from './support.ts';

const GONE = { error: 'invalid session id', message: 'Session timed out or not found: 17' };

describe('SessionSupervisor: the snapshot of a session (R101)', () => {
  it('describes a live session: alive, its heartbeat, no death, no halt (R101)', async () => {
    const begun = Date.now();
    await using scripted = await startScripted({ heartbeatIntervalMs: 7_000 });
    const { health } = scripted.supervisor;
    const { lastHeartbeatAt, ...rest } = health;
    expect(rest).to.deep.equal({
      isAlive: true,
      state: 'alive',
      epoch: 1,
      heartbeatIntervalMs: 7_000,
      shouldHalt: false,
      deathDetected: false,
      deathAt: null,
      death: null,
      parallelOperations: 0,
      cascadeCount: 0,
    } satisfies Omit<SupervisorHealth, 'lastHeartbeatAt'>);
    expect(Date.parse(lastHeartbeatAt!)).to.be.within(begun, Date.now());
  });

  it('describes a dead session: the time, the cause, the work that its death ended, and its last heartbeat (R101)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const { lastHeartbeatAt } = supervisor.health;
    using hold = server.hold('GET /title');
    const title = rejectionOf(supervisor.driver.getTitle());
    await hold.caught;
    const begun = Date.now();
    kill(supervisor, 'the lease is another’s');
    await rejectionOf(supervisor.driver.getTitle());
    const { death, deathAt, ...rest } = supervisor.health;
    expect(rest).to.deep.equal({
      isAlive: false,
      state: 'dead',
      epoch: 1,
      lastHeartbeatAt,
      heartbeatIntervalMs: 3_600_000,
      shouldHalt: true,
      deathDetected: true,
      parallelOperations: 0,
      cascadeCount: 2,
    });
    expect(Date.parse(deathAt!)).to.be.within(begun, Date.now());
    expect(death).to.deep.include({
      cause: 'lease-lost',
      detectedBy: 'registry',
      at: deathAt,
      detectedAfterMs: null,
      lastHeartbeatAt,
      epoch: 1,
      cancelled: { queued: 0, inFlight: 1, refused: 1 },
      consequences: [],
    });
    expect(death!.evidence).to.deep.include({ message: 'the lease is another’s', url: null });
    expect(death!.evidence.lastCommands.at(-1)).to.match(/^GET \/title unanswered/);
    expect(await title).to.equal(supervisor.signal.reason);
  });

  it('counts commands, API calls and batch items while they run (R101)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    using hold = server.hold(/title|status/);
    const command = supervisor.driver.getTitle();
    await hold.caught;
    expect(supervisor.health.parallelOperations).to.equal(1);
    const call = supervisor.api.fetch(`${server.url}/status`);
    expect(supervisor.health.parallelOperations).to.equal(2);
    const go = Promise.withResolvers<void>();
    const batch = supervisor.batch([1, 2, 3, 4], () => go.promise, { concurrency: 3 });
    expect(supervisor.health.parallelOperations, 'three items and the call; commands belong to items now').to.equal(4);
    go.resolve();
    hold.release();
    await Promise.all([command, call, batch]);
    expect(supervisor.health.parallelOperations).to.equal(0);
  });

  it('updates the heartbeat after each command that proves life, but not after a command that the driver answers by itself', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const beats: number[] = [];
    supervisor.on('heartbeat', ({ epoch }) => beats.push(epoch));
    await supervisor.driver.getTitle();
    expect(beats).to.deep.equal([1]);
    await supervisor.driver.getWindowHandle();
    expect(beats).to.deep.equal([1]);
  });
});

describe('SessionSupervisor: a death (R108)', () => {
  it('is declared once if many commands find it at the same time, and all of them reject with the same error (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const deaths: Death[] = [];
    supervisor.on('session:dead', ({ death }) => deaths.push(death));
    using hold = server.hold('GET /title');
    const rejections = Array.from({ length: 20 }, () => rejectionOf(supervisor.driver.getTitle()));
    await server.waitForRequest('GET /title');
    server.endSession(undefined, GONE.message);
    hold.release();
    const errors = new Set(await Promise.all(rejections));
    expect(errors.size).to.equal(1);
    expect([...errors][0])
      .to.be.instanceOf(SessionDeathError)
      .and.equal(supervisor.signal.reason);
    expect(deaths).to.have.length(1);
    expect(deaths[0]).to.include({ cause: 'session-removed', detectedBy: 'command' });
    expect(deaths[0]!.cancelled).to.include({ queued: 0, inFlight: 20 });
  });

  it('has the cause of the first report; later reports are consequences (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const dead = spy();
    supervisor.on('session:dead', dead);
    kill(supervisor, 'first');
    const { reason } = supervisor.signal as { reason: SessionDeathError };
    supervisor.declareDeath({ cause: 'timed_out', detectedBy: 'registry', message: 'second' });
    supervisor.declareDeath({ cause: 'network-lost', detectedBy: 'heartbeat', message: 'third' });
    expect(supervisor.signal.reason).to.equal(reason);
    expect(supervisor.health.death).to.equal(reason.death);
    expect(reason.death).to.deep.include({
      cause: 'lease-lost',
      consequences: ['timed_out (registry): second', 'network-lost (heartbeat): third'],
    });
    expect(dead.callCount).to.equal(1);
  });

  it('changes the state, aborts and emits, in this order, and then announces the work that it ended (R110)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    using hold = server.hold('GET /title');
    const title = rejectionOf(supervisor.driver.getTitle());
    await hold.caught;
    const seen: string[] = [];
    const look = (what: string) => () => seen.push(`${what}: ${supervisor.state}, halted ${supervisor.signal.aborted}`);
    supervisor.signal.addEventListener('abort', look('abort'));
    supervisor.on('session:dead', look('dead'));
    supervisor.on('work:cancelled', look('cancelled'));
    void title.then(look('command'));
    kill(supervisor);
    await title;
    await turn();
    expect(seen).to.deep.equal([
      'abort: dead, halted true',
      'dead: dead, halted true',
      'cancelled: dead, halted true',
      'command: dead, halted true',
    ]);
  });

  it('stops the heartbeat: no probe and no beat follows (R110)', async () => {
    const clock = useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'performance'],
      shouldClearNativeTimers: true,
    });
    try {
      await using scripted = await startScripted({ heartbeatIntervalMs: 5_000 });
      const { supervisor, server } = scripted;
      const { lastHeartbeatAt } = supervisor.health;
      kill(supervisor);
      const asked = server.requests.length;
      await clock.tickAsync(60_000);
      expect(server.requests.slice(asked).map(({ method }) => method)).to.not.include('GET');
      expect(supervisor.health.lastHeartbeatAt).to.equal(lastHeartbeatAt);
    } finally {
      clock.restore();
    }
  });

  it('announces no cancelled work if none was in progress', async () => {
    await using scripted = await startScripted();
    const cancelled = spy();
    scripted.supervisor.on('work:cancelled', cancelled);
    kill(scripted.supervisor);
    expect(cancelled.callCount).to.equal(0);
  });

  it('lets only one DELETE reach the session afterwards (R110)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const sessionId = supervisor.sessionId!;
    const sent = server.requestsFor(sessionId).length;
    kill(supervisor);
    const refused = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        rejectionOf(index % 2 === 0 ? supervisor.driver.getTitle() : supervisor.api.fetch(`${server.url}/status`)),
      ),
    );
    expect(new Set(refused)).to.have.property('size', 1);
    await supervisor.stop();
    expect(
      server
        .requestsFor(sessionId)
        .slice(sent)
        .map(({ method }) => method),
    ).to.deep.equal(['DELETE']);
    expect(server.requests.some(({ path }) => path === '/status')).to.equal(false);
    expect(supervisor.health.cascadeCount).to.equal(300);
    expect(supervisor.health.death!.cancelled.refused).to.equal(300);
  });

  it('is not withdrawn if a command that was in flight succeeds after it (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const hold = server.hold('GET /title');
    const title = rejectionOf(supervisor.driver.getTitle());
    await hold.caught;
    kill(supervisor);
    const { lastHeartbeatAt } = supervisor.health;
    hold.release();
    expect(await title).to.equal(supervisor.signal.reason);
    await turn();
    expect(supervisor.health).to.include({ isAlive: false, shouldHalt: true, lastHeartbeatAt });
  });

  it('is not withdrawn if a probe that was in flight is answered after it (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const hold = server.hold('GET /window/handles');
    const healthy = supervisor.checkSessionHealth();
    await hold.caught;
    kill(supervisor);
    hold.release();
    expect(await healthy).to.equal(false);
    expect(supervisor.health).to.include({ isAlive: false, state: 'dead', shouldHalt: true });
    expect(await supervisor.checkSessionHealth(), 'and a later check is refused without a request').to.equal(false);
  });

  it('of an earlier session does not affect the next session if it is reported late (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const hold = server.hold('GET /title');
    const late = rejectionOf(supervisor.driver.getTitle());
    await hold.caught;
    kill(supervisor);
    await supervisor.restart();
    hold.release();
    await late;
    await turn();
    expect(supervisor.health).to.include({ isAlive: true, epoch: 2, deathDetected: false });
    expect(await supervisor.checkSessionHealth()).to.equal(true);
  });

  it('is not declared if it is reported during or after the supervisor’s own quit (R103)', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const dead = spy();
    supervisor.on('session:dead', dead);
    supervisor.signal.addEventListener('abort', () => kill(supervisor));
    await supervisor.stop();
    expect(supervisor.state).to.equal('ended');
    expect(dead.callCount).to.equal(0);
  });

  it('is not declared after the end', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const dead = spy();
    supervisor.on('session:dead', dead);
    await supervisor.stop();
    kill(supervisor);
    expect(supervisor.state).to.equal('ended');
    expect(dead.callCount).to.equal(0);
  });
});
