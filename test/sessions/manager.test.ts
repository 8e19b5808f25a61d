import { expect } from 'chai';

import {
  SessionCapacityError,
  SessionLockError,
  SessionNotFoundError,
  type Acquisition,
} from '../../src/sessions/sessions.ts';
import { CleanupError } from '../../src/upkeep/upkeep.ts';
import { eventually } from '../support/eventually.ts';
import { insertSession, rawSql } from '../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../support/registries.ts';
import { rejectionOf } from '../support/rejection.ts';
import { QUIET, Stage, type OpenedManager, type OpenOptions } from './support/managers.ts';

/** For tests that wait for heartbeats of another manager. */
const FAST_HEARTBEATS = { heartbeatIntervalMs: 50 };
const HOUR_MS = 3_600_000;
const LIVE = ['starting', 'active'] as const;

describeOnSqliteAndInFullOnPostgres('SessionManager', (registries) => {
  let url: string;
  let stage: Stage;

  beforeEach(async () => {
    url = await registries.url();
    stage = await Stage.open(url);
  });

  afterEach(() => stage[Symbol.asyncDispose]());

  const open = (options: OpenOptions = {}): Promise<OpenedManager> => stage.manager({ supervisor: QUIET, ...options });
  const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS).toISOString();
  const insert = (id: string, values: Record<string, string | number>) =>
    rawSql(url, insertSession({ id, owner: id, ...values }));
  const insertOver = (id: string, status: string, hours: number) =>
    insert(id, { status, created_at: ago(hours), ended_at: ago(hours) });
  const ids = async ({ manager }: OpenedManager) => (await manager.list()).map(({ id }) => id).toSorted();

  describe('its queries', () => {
    it('return a session, which counts as its use, and throw for an unknown one (R501, R513)', async () => {
      const { manager } = await open();
      await insert('old', { status: 'ended', last_used_at: ago(1) });
      expect(Date.parse((await manager.get('old')).lastUsedAt)).to.be.greaterThan(Date.parse(ago(0.1)));
      expect(await rejectionOf(manager.get('none'))).to.be.instanceOf(SessionNotFoundError);
    });

    it('list sessions by status, the newest first, as copies (R506)', async () => {
      const { manager } = await open();
      for (const [id, hours] of [
        ['a', 3],
        ['b', 1],
        ['c', 2],
      ] as const)
        await insertOver(id, 'ended', hours);
      await insertOver('d', 'dead', 0);
      const ended = await manager.list({ status: 'ended' });
      expect(ended.map(({ id }) => id)).to.deep.equal(['b', 'c', 'a']);
      (ended[0] as { owner: string }).owner = 'spoilt';
      expect((await manager.list({ status: 'ended' }))[0]!.owner).to.equal('b');
      expect(await manager.count()).to.equal(4);
      expect(await manager.count({ status: 'dead' })).to.equal(1);
    });

    it('return statistics: statuses, ages, the oldest and the newest session, and the utilisation of the capacity (R507)', async () => {
      const { manager } = await open({ config: { maxSessions: 4 } });
      for (const hours of [0.5, 2, 5.9, 7, 30]) await insertOver(`${hours}`, 'ended', hours);
      await manager.acquire('ann');
      const { total, byStatus, byAge, capacity, utilisation, averageAgeMs, oldest, newest } =
        await manager.statistics();
      expect({ total, capacity, utilisation }).to.deep.equal({ total: 6, capacity: 4, utilisation: 0.25 });
      expect(byStatus).to.include({ ended: 5, active: 1, dead: 0 });
      expect(byAge).to.deep.equal({ under1h: 2, from1hTo6h: 2, from6hTo24h: 1, over24h: 1 });
      expect(averageAgeMs! / HOUR_MS).to.be.closeTo(45.4 / 6, 0.05);
      expect(Date.parse(oldest!)).to.be.closeTo(Date.now() - 30 * HOUR_MS, 10_000);
      expect(Date.parse(newest!)).to.be.closeTo(Date.now(), 10_000);
    });

    it('return the health by utilisation: healthy, a warning from 70 %, critical from 90 % (R508)', async () => {
      const { manager } = await open({ config: { maxSessions: 10 } });
      const seen: string[] = [];
      for (let number = 1; number <= 9; number += 1) {
        await manager.acquire(`${number}`);
        seen.push((await manager.health()).status);
      }
      expect(seen).to.deep.equal([...Array(6).fill('healthy'), 'warning', 'warning', 'critical']);
    });

    it('count stuck sessions in the health (R508)', async () => {
      const { manager } = await open({ config: { sessionTimeoutMs: HOUR_MS } });
      await insert('stuck', { status: 'active', last_used_at: ago(2), lease_expires_ms: Date.now() + HOUR_MS });
      expect(await manager.health()).to.include({ status: 'warning', stuck: 1, isCleanupAlive: true });
    });

    it('return the metrics of sessions (R403)', async () => {
      const opened = await open();
      await insertOver('gone', 'expired', 0);
      await opened.manager.acquire('ann');
      await opened.manager.cleanupFailed();
      const metrics = await opened.manager.getSessionMetrics();
      expect(metrics).to.include({ active: 1, expired: 1, cleanupRuns: 1 });
      expect(Date.parse(metrics.lastCleanupAt!)).to.be.closeTo(Date.now(), 10_000);
      expect(metrics.memoryBytes).to.be.greaterThan(1_000_000);
    });
  });

  describe('its changes', () => {
    it('apply to several fields at once, and throw for an unknown session (R506)', async () => {
      const { manager } = await open();
      const { sessionId } = await manager.acquire('ann');
      const changed = await manager.update(sessionId, { label: 'nightly', data: { page: 3 } });
      expect(changed).to.deep.include({ label: 'nightly', data: { page: 3 }, status: 'active' });
      expect(await manager.get(sessionId)).to.deep.include({ label: 'nightly', data: { page: 3 } });
      expect(await rejectionOf(manager.update('none', { label: 'x' }))).to.be.instanceOf(SessionNotFoundError);
    });

    it('apply to many sessions, and the failure of one does not stop the others (R506)', async () => {
      const { manager } = await open();
      for (const id of ['a', 'b', 'c']) await insertOver(id, 'ended', 1);
      const { updated, failed } = await manager.bulkUpdate(['a', 'none', 'b', 'c'], ({ id }) => {
        if (id === 'b') throw new Error('not this one');
        return { label: `label of ${id}` };
      });
      expect(updated).to.deep.equal(['a', 'c']);
      expect(failed.map(({ id, error }) => [id, error.message.slice(0, 12)])).to.deep.equal([
        ['none', 'There is no '],
        ['b', 'not this one'],
      ]);
      expect((await manager.get('c')).label).to.equal('label of c');
    });

    it('run under a reentrant lock that excludes others and has a time limit (R506)', async () => {
      const { manager } = await open();
      const order: string[] = [];
      const gate = Promise.withResolvers<void>();
      const first = manager.withLock('a', async () => {
        order.push('first');
        await gate.promise;
        await manager.withLock('a', () => void order.push('nested'));
      });
      const second = manager.withLock('a', () => void order.push('second'));
      await manager.withLock('b', () => void order.push('another session'));
      expect(await rejectionOf(manager.withLock('a', () => undefined, 20))).to.be.instanceOf(SessionLockError);
      gate.resolve();
      await Promise.all([first, second]);
      expect(order).to.deep.equal(['first', 'another session', 'nested', 'second']);
    });

    it('include the capacity at run time: a lower one ends the oldest idle sessions at once (R510)', async () => {
      const { manager, events } = await open();
      for (const owner of ['a', 'b', 'c']) (await manager.acquire(owner)).release();
      const busy = await manager.acquire('d');
      await manager.reconfigure({ maxSessions: 2 });
      expect(events.filter(({ name }) => name === 'session:evicted').map(({ owner }) => owner)).to.deep.equal([
        'a',
        'b',
      ]);
      expect(stage.server.sessionIds).to.have.length(2);
      expect(busy.supervisor.state).to.equal('alive');
      expect((await rejectionOf(manager.reconfigure({ maxSessions: 0 }))).message).to.contain('maxSessions is 0');
    });
  });

  describe('its capacity', () => {
    it('ends the session that was idle for longest, and refuses a new one if none is idle (R502)', async () => {
      const { manager, events } = await open({ config: { maxSessions: 2 } });
      const [first, second] = [await manager.acquire('a'), await manager.acquire('b')];
      expect(await rejectionOf(manager.acquire('c'))).to.be.instanceOf(SessionCapacityError);
      second.release();
      const releasedAt = Date.now();
      await eventually(async () => Date.now() > releasedAt, 'the clock to go on');
      first.release();
      const third = await manager.acquire('c');
      expect(third.supervisor.state).to.equal('alive');
      expect(events.filter(({ name }) => name === 'session:evicted').map(({ owner }) => owner)).to.deep.equal(['b']);
      expect(stage.server.sessionIds).to.have.length(2);
    });

    it('lets a caller wait for a free slot (R502)', async () => {
      const { manager } = await open({ config: { maxSessions: 1 } });
      const first = await manager.acquire('a');
      const waiting = manager.acquire('b', { waitMs: 10_000 });
      await first.end();
      expect((await waiting).owner).to.equal('b');
    });
  });

  describe('its clean-up', () => {
    it('removes failed sessions, old ended sessions, or all sessions, but never live ones (R503, R505)', async () => {
      const opened = await open();
      const { manager } = opened;
      const { sessionId } = await manager.acquire('ann');
      await insertOver('dead', 'dead', 0);
      await insertOver('late', 'timed_out', 0);
      for (const hours of [1, 5, 9]) await insertOver(`ended ${hours}`, 'ended', hours);
      expect(await manager.cleanupFailed()).to.equal(2);
      expect(await manager.cleanupCompleted({ olderThanHours: 4 })).to.equal(2);
      expect(await ids(opened)).to.deep.equal([sessionId, 'ended 1'].toSorted());
      expect(await manager.dangerouslyCleanupAll()).to.equal(2);
      expect(await ids(opened)).to.deep.equal([]);
      expect(stage.server.sessionIds).to.deep.equal([]);
    });

    it('ends sessions that were not used for the given time, and closes those that are not renewed (R401)', async () => {
      const opened = await open({ supervisor: FAST_HEARTBEATS });
      const { manager, registry } = opened;
      (await manager.acquire('idle')).release();
      const busy = await manager.acquire('busy');
      await insert('elsewhere', { status: 'active', host: 'another', lease_expires_ms: Date.now() - 10 * HOUR_MS });
      expect(await manager.cleanupInactiveSessions(60)).to.equal(1);
      expect(await registry.sessions.get('elsewhere')).to.include({ status: 'expired' });
      expect(await manager.cleanupInactiveSessions(0)).to.equal(1);
      expect(await manager.list({ status: LIVE })).to.have.length(1);
      expect(busy.supervisor.state).to.equal('alive');
    });

    it('closes no session whose process renews its lease, also if the clock of the database was set forward', async () => {
      const [{ manager }, { manager: holder, registry }] = [
        await open({ supervisor: FAST_HEARTBEATS }),
        await open({ supervisor: FAST_HEARTBEATS }),
      ];
      const { sessionId } = await holder.acquire('elsewhere');
      for (let round = 0; round < 3; round += 1) {
        await rawSql(url, "update sessions set host = 'another', lease_expires_ms = 1");
        expect(await manager.cleanupInactiveSessions(0)).to.equal(0);
        expect(await registry.sessions.get(sessionId)).to.include({ status: 'active' });
      }
    });

    it('removes 2 000 rows in batches, and reports it in the log and in the audit trail (R407, R409, R411)', async () => {
      const opened = await open({ config: { cleanupBatchSize: 100 } });
      const { manager, lines, events } = opened;
      await rawSql(url, manyRows(2_000, ago(48)));
      expect(await manager.cleanupCompleted({ olderThanHours: 24 })).to.equal(2_000);
      expect(events.at(-1)).to.deep.equal({ name: 'cleanup:done', removed: 2_000, failed: 0 });
      const line = lines.find(({ message }) => /Cleaned up/.test(message));
      expect(line?.fields).to.include({ removed: 2_000 });
      const rows = await rawSql(url, "select data from events where type = 'cleanup'");
      expect(JSON.parse(String(rows[0]!['data']))).to.include({ removed: 2_000 });
    });

    it('removes the rest if one part fails, and names the failed part (R401, R410)', async () => {
      const { manager, registry } = await open({ supervisor: FAST_HEARTBEATS });
      await insertOver('dead', 'dead', 5);
      await insert('lapsed', { status: 'active', host: 'another', lease_expires_ms: 1 });
      registry.leases.revoke = () => Promise.reject(new Error('the store stumbled'));
      manager.startCleanupScheduler({ intervalMinutes: 0.0005 });
      await eventually(async () => (await registry.metrics.read()).cleanups.failures >= 2, 'two rounds that failed');
      await manager.stopCleanupScheduler();
      expect(await registry.sessions.get('dead')).to.equal(undefined);
      const error = await rejectionOf(manager.cleanupInactiveSessions(0));
      expect(error).to.be.instanceOf(CleanupError);
      expect(error.message).to.contain('the store stumbled');
    });

    it('runs by policy periodically until it is stopped (R402, R503)', async () => {
      const { manager, registry, events } = await open();
      await insertOver('dead', 'dead', 2);
      await insertOver('young', 'dead', 0.5);
      await insertOver('ended', 'ended', 5);
      await insertOver('old', 'ended', 7);
      manager.startCleanupScheduler({ intervalMinutes: 0.0005 });
      await eventually(async () => events.filter(({ name }) => name === 'cleanup:done').length >= 3, 'three rounds');
      await manager.stopCleanupScheduler();
      const rounds = events.length;
      expect((await registry.sessions.list()).map(({ id }) => id).toSorted()).to.deep.equal(['ended', 'young']);
      expect(events).to.have.length(rounds);
      expect((await manager.health()).isCleanupAlive).to.equal(true);
    });

    it('changes a damaged row to a safe state (R514)', async () => {
      const { manager, registry } = await open();
      await insert('odd', { status: 'active' });
      await rawSql(url, "update sessions set death = 'no json' where id = 'odd'");
      expect(await manager.list()).to.deep.equal([]);
      expect(await manager.recoverCorrupted('odd')).to.equal('dead');
      expect(await registry.sessions.get('odd')).to.include({ status: 'dead', owner: 'odd' });
      expect(await manager.recoverCorrupted('none')).to.equal('missing');
    });
  });

  describe('its end of sessions', () => {
    it('ends a session of its own, and one of another process, by id', async () => {
      const [mine, theirs] = await Promise.all([open(), open({ supervisor: { heartbeatIntervalMs: 50 } })]);
      const own = await mine.manager.acquire('own');
      const other = await theirs.manager.acquire('other');
      await mine.manager.end(own.sessionId);
      await mine.manager.end(other.sessionId);
      await eventually(async () => other.supervisor.state === 'dead', 'the other one to learn of it');
      // The cause depends on which is detected first: the lost row or the missing browser. The session must stop in both cases.
      expect(other.supervisor.health.death?.cause).to.be.oneOf(['lease-lost', 'session-removed']);
      expect(await rejectionOf(other.restart())).to.have.property('code', 'lease-lost');
      expect(stage.server.sessionIds).to.deep.equal([]);
      await mine.manager.remove(own.sessionId);
      expect(await rejectionOf(mine.manager.get(own.sessionId))).to.be.instanceOf(SessionNotFoundError);
    });

    it('ends all sessions once at the shutdown, and names those that did not end in time (R511)', async () => {
      const { manager } = await open();
      await manager.acquire('a');
      const hold = stage.server.hold((request) => request.method === 'DELETE');
      const shutdown = manager.shutdown({ timeoutMs: 50 });
      expect(manager.shutdown()).to.equal(shutdown);
      expect(await shutdown).to.deep.equal(['a']);
      hold.release();
      await eventually(async () => stage.server.sessionIds.length === 0, 'its end');
    });

    it('ends all sessions at the end of an `await using` block (R511)', async () => {
      let session: Acquisition;
      {
        await using manager = (await open()).manager;
        session = await manager.acquire('a');
        expect(stage.server.sessionIds).to.have.length(1);
      }
      expect(stage.server.sessionIds).to.deep.equal([]);
      expect(session.supervisor.state).to.equal('ended');
    });
  });

  it('is not affected by a listener that throws (R509)', async () => {
    const { manager, lines } = await open();
    manager.on('session:created', () => {
      throw new Error('a listener that throws');
    });
    expect((await manager.acquire('a')).supervisor.state).to.equal('alive');
    expect(lines.some(({ message }) => /listener threw/.test(message))).to.equal(true);
  });
});

function manyRows(count: number, at: string): string {
  const values = Array.from(
    { length: count },
    (_unused, index) =>
      `('row ${index}', 'owner ${index}', 'ended', 1, 'h', 0, 1, 'here', 1, 'x', '${at}', '${at}', '${at}')`,
  );
  return `insert into sessions (id, owner, status, token, holder, lease_expires_ms, epoch, host, pid, process_identity, created_at, last_used_at, ended_at) values ${values.join(', ')}`;
}
