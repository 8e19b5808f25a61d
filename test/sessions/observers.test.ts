import { expect } from 'chai';

import { SessionBusyError, type ObservedAcquireOptions } from '../../src/sessions/sessions.ts';
import type { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { describeOnSqlite } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';
import { die, QUIET, Stage } from './support/managers.ts';

const owner = 'the owner';

/** Returns the options of a user whose observer notes its calls in `seen`. */
function observedBy(name: string, seen: string[]): ObservedAcquireOptions {
  const note = (what: string) => () => void seen.push(`${name}: ${what}`);
  return { observer: { onStarted: note('started'), onDead: note('dead'), onEnded: note('ended') } };
}

/** Adds listeners that throw, reject, block, send commands and remove one another. */
function addBadListeners(supervisor: SessionSupervisor): void {
  const disposers: (() => void)[] = [];
  for (const name of ['session:started', 'session:dead', 'session:ended'] as const) {
    disposers.push(
      supervisor.on(name, () => {
        for (const dispose of disposers) dispose();
        throw new Error('a listener that throws');
      }),
      // oxlint-disable-next-line typescript/no-misused-promises -- users can do this
      supervisor.on(name, () => new Promise((_resolve, reject) => setImmediate(reject))),
      supervisor.on(name, () => {
        const until = performance.now() + 20;
        while (performance.now() < until);
      }),
      supervisor.on(name, () => void supervisor.driver.getTitle().catch(() => undefined)),
    );
  }
}

describeOnSqlite('SessionManager: the observers of a shared session', (registries) => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await Stage.open(await registries.url());
  });

  afterEach(() => stage[Symbol.asyncDispose]());

  it('get the facts of the session in the order of the acquisitions, before the public events', async () => {
    const { manager } = await stage.manager({ supervisor: QUIET });
    const seen: string[] = [];
    const [one, other] = await Promise.all([
      manager.acquire(owner, observedBy('one', seen)),
      manager.acquire(owner, observedBy('other', seen)),
    ]);
    const late = await manager.acquire(owner, observedBy('late', seen));
    expect(seen, 'calls for the start of the session that they acquired').to.deep.equal([]);
    const { supervisor } = one;
    for (const name of ['session:started', 'session:dead', 'session:ended'] as const) {
      supervisor.on(name, () => seen.push(name));
    }
    await die(stage.server, one);
    await other.restart();
    await late.end();
    const names = ['one', 'other', 'late'];
    expect(seen).to.deep.equal([
      ...names.map((name) => `${name}: dead`),
      'session:dead',
      ...names.map((name) => `${name}: started`),
      'session:started',
      ...names.map((name) => `${name}: ended`),
      'session:ended',
    ]);
  });

  it('are not called after the release of their user', async () => {
    const { manager } = await stage.manager({ supervisor: QUIET });
    const seen: string[] = [];
    const stays = await manager.acquire(owner, observedBy('stays', seen));
    const released = await manager.acquire(owner, observedBy('released', seen));
    const disposed = await manager.acquire(owner, observedBy('disposed', seen));
    const during = await manager.acquire(owner, {
      observer: { onDead: () => leaving.release() },
    } as ObservedAcquireOptions);
    const leaving = await manager.acquire(owner, observedBy('leaving', seen));
    released.release();
    await disposed[Symbol.asyncDispose]();
    await die(stage.server, stays);
    await stays.restart();
    during.release();
    stays.release();
    await manager.shutdown();
    expect(seen).to.deep.equal(['stays: dead', 'stays: started']);
  });

  it('are called when the owner already belongs to the next session, even if public listeners throw or block', async () => {
    const [{ manager }, rival] = await Promise.all([stage.manager({ supervisor: QUIET }), stage.manager()]);
    let claiming: Promise<Error> | undefined;
    const options: ObservedAcquireOptions = {
      observer: {
        onDead: () => {
          claiming = rejectionOf(rival.manager.acquire(owner));
        },
      },
    };
    const session = await manager.acquire(owner, options);
    const { sessionId } = session;
    addBadListeners(session.supervisor);
    await die(stage.server, session);
    expect(await claiming).to.be.instanceOf(SessionBusyError);
    await session.restart();
    expect(session.supervisor.state).to.equal('alive');
    expect(await stage.statuses(owner)).to.deep.equal(['dead', 'active']);
    expect(session.sessionId).not.to.equal(sessionId);
    await session.end();
    expect(await stage.statuses(owner)).to.deep.equal(['dead', 'ended']);
    expect(stage.server.sessionIds).to.deep.equal([]);
  });

  it('are called when the lease is lost, and no browser is started afterwards, even if public listeners try to restart', async () => {
    const [{ manager, events }, rival] = await Promise.all([
      stage.manager({ supervisor: { heartbeatIntervalMs: 50 } }),
      stage.manager(),
    ]);
    const died = Promise.withResolvers<unknown>();
    const options: ObservedAcquireOptions = { observer: { onDead: ({ detectedBy }) => died.resolve(detectedBy) } };
    const session = await manager.acquire(owner, options);
    addBadListeners(session.supervisor);
    session.supervisor.on('session:dead', () => void session.supervisor.restart().catch(() => undefined));
    await rival.registry.leases.revoke(session.sessionId, { status: 'timed_out', message: 'no progress' });
    expect(await died.promise).to.equal('registry');
    expect(await rejectionOf(session.restart())).to.have.property('code', 'lease-lost');
    expect(stage.starts).to.equal(1);
    expect(events.map(({ name }) => name)).to.deep.equal(['session:created', 'session:lost']);
  });
});
