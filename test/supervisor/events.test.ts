import { once } from 'node:events';

import { expect } from 'chai';
import { spy, useFakeTimers, type SinonFakeTimers } from 'sinon';
import type { Log } from 'webdriver-supervisor';

import { SessionDeathError } from '../../src/supervisor/supervisor.ts';
import { kill, nextEvent, rejectionOf, startScripted, turn } from './support.ts';

const GONE = { error: 'invalid session id', message: 'Session timed out or not found: 17' };

describe('SessionSupervisor: events', () => {
  it('reach all listeners although some throw or reject, and the death is handled (R110)', async () => {
    const unhandled = spy();
    process.on('unhandledRejection', unhandled);
    try {
      await using scripted = await startScripted();
      const { supervisor, server } = scripted;
      const onDead = spy();
      supervisor.on('session:dead', () => {
        throw new Error('a listener that throws');
      });
      // oxlint-disable-next-line typescript/no-misused-promises -- users can do this
      supervisor.on('session:dead', () => Promise.reject(new Error('a listener that rejects')));
      supervisor.on('session:dead', onDead);
      supervisor.on('heartbeat', () => {
        throw new Error('a listener that throws');
      });
      expect(await supervisor.driver.getTitle()).to.contain('Title');
      kill(supervisor);
      await supervisor.stop();
      await turn();
      expect(onDead.callCount).to.equal(1);
      expect(server.sessionIds).to.deep.equal([]);
    } finally {
      process.off('unhandledRejection', unhandled);
    }
    expect(unhandled.callCount).to.equal(0);
  });

  it('are emitted although the log of the program throws, and no session is left', async () => {
    const fail = () => {
      throw new Error('a careless log');
    };
    const log: Log = { error: fail, warn: fail, info: fail, debug: fail, child: () => log };
    const warned = once(process, 'warning');
    await using scripted = await startScripted({ log });
    const { supervisor, server } = scripted;
    const onDead = spy();
    supervisor.on('session:dead', onDead);
    kill(supervisor);
    await supervisor.stop();
    expect(onDead.callCount).to.equal(1);
    expect(server.sessionIds).to.deep.equal([]);
    expect(await warned).to.have.nested.property('[0].message', 'The log threw an error: a careless log');
  });

  it('are not needed: without listeners, a session dies, is cleaned up and restarts as before', async () => {
    const story = async (listen: boolean) => {
      await using scripted = await startScripted();
      const { supervisor, server } = scripted;
      const names = ['session:started', 'session:dead', 'session:ended', 'heartbeat', 'work:cancelled'] as const;
      const heard = spy();
      const off = names.map((name) => supervisor.on(name, heard));
      if (!listen) for (const dispose of [...off, ...off]) dispose();
      using hold = server.hold('GET /title');
      const title = rejectionOf(supervisor.driver.getTitle());
      await hold.caught;
      kill(supervisor);
      await title;
      const { death, lastHeartbeatAt, deathAt, ...dead } = supervisor.health;
      await supervisor.restart();
      await supervisor.stop();
      const { lastHeartbeatAt: _at, ...ended } = supervisor.health;
      const requests = server.requests.map(
        ({ method, path }) => `${method} ${path.replace(/session\/\w+/, 'session/:id')}`,
      );
      return { heard: heard.callCount > 0, story: { dead, cancelled: death!.cancelled, ended, requests } };
    };
    const loud = await story(true);
    const silent = await story(false);
    expect([loud.heard, silent.heard]).to.deep.equal([true, false]);
    expect(silent.story).to.deep.equal(loud.story);
  });

  it('allow a restart of the supervisor from a listener of its death', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    supervisor.on('session:dead', () => void supervisor.restart());
    const started = nextEvent(supervisor, 'session:started');
    kill(supervisor);
    await started;
    expect(supervisor).to.include({ state: 'alive', epoch: 2 });
  });
});

describe('SessionSupervisor: queries of the halt (R102, R109)', () => {
  it('throwIfHalted throws the error of the death after a death (R102)', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    expect(() => supervisor.throwIfHalted()).not.to.throw();
    kill(supervisor);
    expect(() => supervisor.throwIfHalted())
      .to.throw(SessionDeathError)
      .that.equals(supervisor.signal.reason);
  });

  it('isSessionDeathCascade is true only after a death that cancelled, aborted or refused work (R102)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    expect(supervisor.isSessionDeathCascade()).to.equal(false);
    kill(supervisor);
    expect(supervisor.isSessionDeathCascade(), 'a death alone').to.equal(false);
    await rejectionOf(supervisor.driver.getTitle());
    expect(supervisor.isSessionDeathCascade(), 'a command refused').to.equal(true);
    await supervisor.restart();
    expect(supervisor.isSessionDeathCascade(), 'a new session').to.equal(false);
    kill(supervisor);
    await rejectionOf(supervisor.api.fetch(`${server.url}/status`));
    expect(supervisor.isSessionDeathCascade(), 'an API call refused').to.equal(true);
    await supervisor.restart();
    kill(supervisor);
    await supervisor.batch([1, 2, 3], () => 1);
    expect(supervisor.isSessionDeathCascade(), 'a batch refused').to.equal(true);
    expect(supervisor.health.cascadeCount).to.equal(3);
  });

  it('shouldHaltOperations sends no request, before the death and after it (R109)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const ask = () => {
      let halts = 0;
      for (let count = 0; count < 10_000; count++) if (supervisor.shouldHaltOperations()) halts += 1;
      return halts;
    };
    const asked = server.requests.length;
    expect(ask()).to.equal(0);
    await turn();
    expect(server.requests).to.have.length(asked);
    kill(supervisor);
    await supervisor.stop();
    const afterDeath = server.requests.length;
    expect(ask()).to.equal(10_000);
    await turn();
    expect(server.requests).to.have.length(afterDeath);
    expect(supervisor.shouldHaltOperations(), 'an answer, not a promise').to.be.a('boolean');
    expect(supervisor.health.cascadeCount, 'to ask is no refused work').to.equal(0);
  });

  it('checkSessionHealth probes the session out of band, and declares the death that it finds (R102, R103)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const asked = server.requests.length;
    expect(await supervisor.checkSessionHealth()).to.equal(true);
    expect(
      server.requests.slice(asked).map(({ method, path }) => `${method} ${path.split('/').at(-1)}`),
    ).to.have.members(['GET probe', 'GET handles']);
    server.endSession(undefined, GONE.message);
    expect(supervisor.shouldHaltOperations(), 'the death is not known yet').to.equal(false);
    expect(await supervisor.checkSessionHealth()).to.equal(false);
    expect(supervisor.health.death).to.include({ cause: 'session-removed', detectedBy: 'heartbeat' });
  });

  it('checkSessionHealth returns false, without a request, for a session that was ended', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    await supervisor.stop();
    const asked = server.requests.length;
    expect(await supervisor.checkSessionHealth()).to.equal(false);
    expect(server.requests).to.have.length(asked);
  });
});

describe('SessionSupervisor: the heartbeat of an idle session (R103)', () => {
  let clock: SinonFakeTimers;

  beforeEach(() => {
    clock = useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'performance'],
      shouldClearNativeTimers: true,
    });
  });

  afterEach(() => clock.restore());

  it('finds the death of an idle session after one interval, and reports how long it was silent (R103)', async () => {
    await using scripted = await startScripted({ heartbeatIntervalMs: 5_000 });
    const { supervisor, server } = scripted;
    server.endSession(undefined, GONE.message);
    const died = nextEvent(supervisor, 'session:dead');
    await clock.tickAsync(5_000);
    await died;
    const { death } = supervisor.health;
    expect(death).to.include({ cause: 'session-removed', detectedBy: 'heartbeat' });
    expect(death!.detectedAfterMs).to.be.a('number').that.is.at.least(0);
  });

  it('beats after an answered probe, and never probes a busy session', async () => {
    await using scripted = await startScripted({ heartbeatIntervalMs: 5_000 });
    const { supervisor, server } = scripted;
    const probes = () => server.requests.filter(({ path }) => path.endsWith('/window/handles')).length;
    for (let count = 0; count < 10; count++) {
      await clock.tickAsync(4_000);
      await supervisor.driver.getTitle();
    }
    expect(probes()).to.equal(0);
    const beat = nextEvent(supervisor, 'heartbeat');
    await clock.tickAsync(5_000);
    await beat;
    expect(probes()).to.equal(1);
  });
});
