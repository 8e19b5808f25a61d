import { hostname } from 'node:os';

import { expect } from 'chai';

import { SessionStartError } from '../../src/supervisor/supervisor.ts';
import { SessionBusyError, type Acquisition } from '../../src/sessions/sessions.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnBoth } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';
import { die, QUIET, Stage } from './support/managers.ts';

const START = 'POST /session';

describeOnBoth('SessionManager: acquire', (registries) => {
  let url: string;
  let stage: Stage;
  let number = 0;
  let owner: string;

  before(async () => {
    url = await registries.url();
  });

  beforeEach(async () => {
    stage = await Stage.open(url);
    owner = `owner ${(number += 1)}`;
  });

  afterEach(() => stage[Symbol.asyncDispose]());

  it('gives one session to 100 simultaneous callers, one of which starts it (R301)', async () => {
    const { manager, registry, events } = await stage.manager({ supervisor: QUIET });
    const before = (await registry.metrics.read()).sessionsReused;
    const all = await Promise.all(Array.from({ length: 100 }, () => manager.acquire(owner)));
    expect(stage.starts).to.equal(1);
    expect(new Set(all.map(({ sessionId }) => sessionId)).size).to.equal(1);
    expect(new Set(all.map(({ supervisor }) => supervisor.sessionId))).to.deep.equal(new Set(stage.server.sessionIds));
    expect(all.filter(({ reused }) => !reused)).to.have.length(1);
    expect(events.map(({ name }) => name)).to.deep.equal(['session:created', ...Array(99).fill('session:reused')]);
    expect(await stage.statuses(owner)).to.deep.equal(['active']);
    await manager.shutdown();
    const { sessionsReused, sessionsCreated } = await registry.metrics.read();
    expect(sessionsReused - before, 'reuses that were counted (R306)').to.equal(99);
    expect(sessionsCreated[owner]).to.equal(1);
  });

  it('gives the session to one of several processes, and rejects the others with its holder, host and start time (R301, R311)', async () => {
    const managers = await Promise.all(Array.from({ length: 4 }, () => stage.manager({ supervisor: QUIET })));
    const answers = await Promise.allSettled(managers.map(({ manager }) => manager.acquire(owner)));
    expect(stage.starts).to.equal(1);
    const losers = answers
      .filter((answer) => answer.status === 'rejected')
      .map(({ reason }) => reason as SessionBusyError);
    expect(losers).to.have.length(3);
    const [row] = await stage.rows(owner);
    for (const error of losers) {
      expect(error).to.be.instanceOf(SessionBusyError);
      expect(error.data).to.deep.include({ owner, host: hostname(), pid: process.pid, since: row?.['created_at'] });
      expect(error.message).to.contain(hostname()).and.contain(String(process.pid)).and.contain('--wait');
    }
  });

  it('names the run for which the owner is busy', async () => {
    const [first, second] = await Promise.all([stage.manager(), stage.manager()]);
    await first.manager.acquire(owner, { runId: 'the nightly run' });
    const error = await rejectionOf(second.manager.acquire(owner));
    expect(error.message).to.contain('the nightly run');
  });

  it('serves waiting callers when the holder ends, one process after the other (R311)', async () => {
    const managers = await Promise.all(Array.from({ length: 3 }, () => stage.manager({ supervisor: QUIET })));
    let atWork = 0;
    const turns = managers
      .flatMap(({ manager }) => [manager, manager])
      .map(async (manager) => {
        const session = await manager.acquire(owner, { waitMs: 20_000 });
        atWork += 1;
        expect(stage.server.sessionIds).to.have.length(1);
        await session.supervisor.driver.getTitle();
        atWork -= 1;
        // The callers that share the session continue first.
        session.release();
        if (atWork === 0) await session.end();
      });
    await Promise.all(turns);
    expect(stage.server.sessionIds).to.deep.equal([]);
    expect(new Set(await stage.statuses(owner))).to.deep.equal(new Set(['ended']));
  });

  it('reports how long the caller waited without success', async () => {
    const [first, second] = await Promise.all([stage.manager(), stage.manager()]);
    await first.manager.acquire(owner);
    const error = await rejectionOf(second.manager.acquire(owner, { waitMs: 1_000 }));
    expect(error).to.be.instanceOf(SessionBusyError);
    expect(error.message).to.contain('after 1 s of waiting');
  });

  it('ends a caller’s wait with the reason of its signal', async () => {
    const [first, second] = await Promise.all([stage.manager(), stage.manager()]);
    await first.manager.acquire(owner);
    const leaving = new AbortController();
    const waiting = rejectionOf(second.manager.acquire(owner, { waitMs: 60_000, signal: leaving.signal }));
    const reason = new Error('no longer wanted');
    leaving.abort(reason);
    expect(await waiting).to.equal(reason);
    const aborted = AbortSignal.abort(reason);
    expect(await rejectionOf(second.manager.acquire('another', { signal: aborted }))).to.equal(reason);
    expect(await stage.rows('another')).to.deep.equal([]);
  });

  it('continues a start as long as one caller waits for it', async () => {
    const { manager } = await stage.manager({ supervisor: QUIET });
    using start = stage.server.hold(START);
    const leaving = new AbortController();
    const left = rejectionOf(manager.acquire(owner, { signal: leaving.signal }));
    const stays = manager.acquire(owner);
    await start.caught;
    leaving.abort(new Error('left'));
    expect(await left).to.have.property('message', 'left');
    start.release();
    const session = await stays;
    expect(session.supervisor.state).to.equal('alive');
    expect(stage.starts).to.equal(1);
    // The signal of the start does not belong to the session: it does not affect a later restart.
    await session.restart();
    expect(session.supervisor.state).to.equal('alive');
  });

  it('aborts the start when the last caller stops waiting: no session, no row that holds the owner (R309)', async () => {
    const { manager, events } = await stage.manager({ supervisor: QUIET });
    const start = stage.server.hold(START);
    const leaving = new AbortController();
    const left = Array.from({ length: 3 }, () => rejectionOf(manager.acquire(owner, { signal: leaving.signal })));
    await start.caught;
    const reason = new Error('nobody wants it');
    leaving.abort(reason);
    expect(await Promise.all(left)).to.deep.equal([reason, reason, reason]);
    // A new caller does not get the abort of the earlier callers, but a new session.
    const next = manager.acquire(owner);
    start.release();
    const session = await next;
    expect(session.reused).to.equal(false);
    expect(stage.server.sessionIds).to.deep.equal([session.supervisor.sessionId]);
    const rows = await stage.rows(owner);
    expect(rows.map(({ status }) => status)).to.deep.equal(['ended', 'active']);
    expect(rows[0]?.['error_message']).to.contain('could not be started');
    expect(events.map(({ name }) => name)).to.deep.equal(['session:created']);
  });

  it('ends a session whose last caller stopped waiting while its row was being stored (R309)', async () => {
    const { manager, registry, events } = await stage.manager({ supervisor: QUIET });
    const leaving = new AbortController();
    const { leases } = registry;
    const activate = leases.activate.bind(leases);
    leases.activate = async (...given) => {
      const stored = await activate(...given);
      leaving.abort(new Error('too late'));
      return stored;
    };
    expect(await rejectionOf(manager.acquire(owner, { signal: leaving.signal }))).to.have.property(
      'message',
      'too late',
    );
    leases.activate = activate;
    const session = await manager.acquire(owner);
    expect(session.reused).to.equal(false);
    expect(stage.server.sessionIds).to.have.length(1);
    expect(await stage.statuses(owner)).to.deep.equal(['ended', 'active']);
    expect(events.map(({ name }) => name)).to.deep.equal(['session:created']);
  });

  it('leaves nothing that holds the owner if the browser can’t be started, and the next start succeeds (R309)', async () => {
    const { manager, events } = await stage.manager();
    stage.server.answer(START, { error: 'session not created', message: 'no such browser here' }, { times: 1 });
    const errors = await Promise.all([rejectionOf(manager.acquire(owner)), rejectionOf(manager.acquire(owner))]);
    for (const error of errors) {
      expect(error).to.be.instanceOf(SessionStartError);
      expect(error.message).to.contain('no such browser here');
    }
    expect(stage.starts).to.equal(1);
    expect(stage.server.sessionIds).to.deep.equal([]);
    const [failed] = await stage.rows(owner);
    expect(failed).to.include({ status: 'ended' });
    expect(failed?.['error_message']).to.contain('no such browser here');
    expect(events).to.deep.equal([]);
    expect((await manager.acquire(owner)).reused).to.equal(false);
  });

  it('leaves nothing that holds the owner if the endpoint can’t be reached (R309)', async () => {
    const { manager } = await stage.manager();
    stage.server.refuse();
    expect(await rejectionOf(manager.acquire(owner))).to.be.instanceOf(SessionStartError);
    expect(await stage.statuses(owner)).to.deep.equal(['ended']);
    expect(await manager.count({ owner, status: ['starting', 'active'] })).to.equal(0);
    stage.server.restore();
    expect((await manager.acquire(owner)).supervisor.state).to.equal('alive');
  });

  it('rejects with a start error if the session dies as soon as it is started', async () => {
    const { manager, registry, events } = await stage.manager({ supervisor: { heartbeatIntervalMs: 30 } });
    const { leases } = registry;
    const activate = leases.activate.bind(leases);
    leases.activate = async (...given) => {
      leases.activate = activate;
      stage.server.endSession(stage.server.sessionIds[0]);
      // The dead session's only DELETE comes after its death was declared.
      await eventually(async () => stage.server.requests.find(({ method }) => method === 'DELETE'), 'no death');
      return activate(...given);
    };
    const error = await rejectionOf(manager.acquire(owner));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain('died as soon as it was started');
    expect(await stage.statuses(owner)).to.deep.equal(['dead']);
    expect(events).to.deep.equal([]);
    expect((await manager.acquire(owner)).reused).to.equal(false);
  });

  it('leaves a released session idle for the next caller', async () => {
    const { manager } = await stage.manager();
    const first = await manager.acquire(owner);
    const { sessionId } = first;
    first.release();
    first.release();
    {
      await using second = await manager.acquire(owner);
      expect(second).to.include({ sessionId, reused: true });
    }
    const third = await manager.acquire(owner);
    expect(third).to.include({ sessionId, reused: true });
    expect(stage.starts).to.equal(1);
    expect(await stage.statuses(owner)).to.deep.equal(['active']);
  });

  it('ends a session once for all callers that share it, and gives a new session to the next caller', async () => {
    const { manager, events } = await stage.manager();
    const [one, other] = await Promise.all([manager.acquire(owner), manager.acquire(owner)]);
    const { sessionId } = one;
    await Promise.all([one.end(), one.end(), other.end(), manager.end(sessionId)]);
    expect(stage.server.sessionIds).to.deep.equal([]);
    expect(await stage.statuses(owner)).to.deep.equal(['ended']);
    expect(other.supervisor.state).to.equal('ended');
    expect(events.filter(({ name }) => name === 'session:ended')).to.deep.equal([
      { name: 'session:ended', id: sessionId, owner },
    ]);
    expect((await rejectionOf(other.restart())).message).to.contain('released');
    const next = await manager.acquire(owner);
    expect(next.reused).to.equal(false);
    await one.end();
    one.release();
    expect(next.supervisor.state, 'the end of an older one does not hit it').to.equal('alive');
  });

  it('refuses to restart a session that another caller has ended', async () => {
    const { manager } = await stage.manager();
    const [one, other] = await Promise.all([manager.acquire(owner), manager.acquire(owner)]);
    await one.end();
    expect(await rejectionOf(other.restart())).to.have.property('code', 'session-ended');
    expect(await rejectionOf(other.supervisor.restart())).to.have.property('code', 'session-ended');
    expect(stage.starts).to.equal(1);
    expect(stage.server.sessionIds).to.deep.equal([]);
  });

  it('starts the next session only after the owner’s last one has ended, for any number of callers', async () => {
    const { manager } = await stage.manager();
    const first = await manager.acquire(owner);
    const quit = stage.server.hold((request) => request.method === 'DELETE');
    const ending = first.end();
    await quit.caught;
    const next = Promise.all([manager.acquire(owner), manager.acquire(owner)]);
    quit.release();
    await ending;
    const [one, other] = await next;
    expect(one.sessionId).to.equal(other.sessionId);
    expect(stage.starts).to.equal(2);
    expect(stage.server.sessionIds).to.deep.equal([one.supervisor.sessionId]);
  });

  it('gives a new session to a caller whose session is ended before the caller gets it', async () => {
    const { manager } = await stage.manager();
    const off = manager.on('session:created', ({ id }) => {
      off();
      void manager.end(id);
    });
    const [one, other] = await Promise.all([manager.acquire(owner), manager.acquire(owner)]);
    expect([one.supervisor.state, other.supervisor.state]).to.deep.equal(['alive', 'alive']);
    expect(one.sessionId).to.equal(other.sessionId);
    expect(stage.starts).to.equal(2);
    expect(stage.server.sessionIds).to.deep.equal([one.supervisor.sessionId]);
  });

  it('drops an idle session that dies, and also frees its owner in the registry', async () => {
    const [first, second] = await Promise.all([stage.manager({ supervisor: QUIET }), stage.manager()]);
    const session = await first.manager.acquire(owner);
    const { sessionId, supervisor } = session;
    session.release();
    await die(stage.server, { supervisor });
    const taken = await second.manager.acquire(owner, { waitMs: 5_000 });
    expect(taken.sessionId).not.to.equal(sessionId);
    const rows = await stage.rows(owner);
    expect(rows.map(({ status }) => status)).to.deep.equal(['dead', 'active']);
    expect(JSON.parse(String(rows[0]?.['death']))).to.include({ cause: 'session-removed', detectedBy: 'command' });
    expect(first.events.slice(1)).to.deep.equal([{ name: 'session:lost', id: sessionId, owner }]);
  });

  it('gives the owner of an idle session that dies to any process, also to this one', async () => {
    const { manager } = await stage.manager({ supervisor: QUIET });
    const session = await manager.acquire(owner);
    session.release();
    await die(stage.server, session);
    const [one, other] = await Promise.all([manager.acquire(owner), manager.acquire(owner)]);
    expect(one.supervisor.state).to.equal('alive');
    expect([one.reused, other.reused]).to.have.members([false, true]);
  });

  it('refuses invalid owners before it sends any request', async () => {
    const { manager } = await stage.manager();
    const wrong = ['', ' ', '\t', 'a\nb', 'nul\0', '\ud800', 'x'.repeat(201), undefined, null, 5, {}];
    for (const one of wrong) {
      expect(await rejectionOf(manager.acquire(one as string)), JSON.stringify(one)).to.have.property(
        'code',
        'invalid-config',
      );
    }
    expect(stage.starts).to.equal(0);
    const right: Acquisition = await manager.acquire('Jürgen+1@example.com #2 😀');
    expect(right.owner).to.equal('Jürgen+1@example.com #2 😀');
  });

  it('refuses callers after the shutdown, and ends sessions that are being started (R511)', async () => {
    const { manager, events } = await stage.manager();
    const held = await manager.acquire(owner);
    const start = stage.server.hold(START);
    const starting = rejectionOf(manager.acquire(`${owner} too`));
    const waiting = rejectionOf(manager.acquire(`${owner} too`, { waitMs: 60_000 }));
    await start.caught;
    const down = manager.shutdown();
    expect(await starting).to.have.property('code', 'cancelled');
    expect(await waiting).to.have.property('code', 'cancelled');
    start.release();
    expect(await down).to.deep.equal([]);
    expect(await rejectionOf(manager.acquire(owner))).to.have.property('code', 'cancelled');
    expect(stage.server.sessionIds).to.deep.equal([]);
    expect(held.supervisor.state).to.equal('ended');
    expect(await stage.statuses(`${owner} too`)).to.deep.equal(['ended']);
    expect(events.map(({ name }) => name)).to.deep.equal(['session:created', 'session:ended']);
  });

  it('serves many callers that come, leave, end and die at random, and leaves nothing behind (R301, R309)', async () => {
    const managers = await Promise.all([stage.manager({ supervisor: QUIET }), stage.manager({ supervisor: QUIET })]);
    const owners = [`${owner} a`, `${owner} b`];
    let most = 0;
    const caller = async (index: number): Promise<void> => {
      const { manager } = managers[index % 2]!;
      for (let round = 0; round < 6; round += 1) {
        const signal = AbortSignal.timeout(20 + ((index * 37 + round * 101) % 200));
        try {
          const session = await manager.acquire(owners[(index + round) % 2]!, { waitMs: 2_000, signal });
          most = Math.max(most, stage.server.sessionIds.length);
          await session.supervisor.driver.getTitle();
          if ((index + round) % 5 === 0) await die(stage.server, session);
          if ((index + round) % 5 === 1) await session.restart();
          if ((index + round) % 3 === 0) await session.end();
          session.release();
        } catch (thrown) {
          // The callers' own timeouts, and the actions of others that share the session.
          expect((thrown as { code?: string }).code ?? (thrown as Error).name).to.be.oneOf([
            'TimeoutError',
            23,
            'session-dead',
            'session-ended',
            'session-busy',
            'session-start-failed',
          ]);
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_unused, index) => caller(index)));
    expect(most).to.be.within(1, 2);
    for (const { manager } of managers) expect(await manager.shutdown()).to.deep.equal([]);
    expect(stage.server.sessionIds).to.deep.equal([]);
    for (const each of owners) {
      const live = (await stage.statuses(each)).filter((status) => status === 'active' || status === 'starting');
      expect(live).to.deep.equal([]);
    }
  });
});
