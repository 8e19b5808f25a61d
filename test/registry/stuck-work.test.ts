import { expect } from 'chai';

import type { StoredSession } from '../../src/model/session.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { describeOnBoth } from '../support/registries.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const FACTS = { webdriverId: 'w', driverPid: 2, browserPid: 3, folder: '/tmp/x', endpoint: undefined };

describeOnBoth('StuckWork', (registries) => {
  let url: string;
  let registry: Registry;
  let number = 0;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  after(() => registry.close());

  const begin = async ({ runId }: { runId?: string } = {}): Promise<StoredSession> => {
    const id = `session ${(number += 1)}`;
    const claim = { id, owner: `owner ${number}`, holder: 'me', process: PROCESS, leaseMs: 60_000, runId };
    const result = await registry.leases.claim(claim);
    if (!result.isClaimed) throw new Error('The owner is held by another session.');
    const session = await registry.leases.activate(id, 'me', FACTS);
    if (runId === undefined) return session;
    await registry.runs.create({ id: runId, action: 'test', params: {}, owner: session.owner });
    await registry.runs.begin(runId, { token: session.token, process: PROCESS });
    return session;
  };
  const progressOf = async (runId: string) => (await registry.runs.get(runId))?.lastProgressAt ?? '';
  const eventsOf = (column: string, id: string) =>
    rawSql(url, `select type, status, message from events where ${column} = ${literal(id)} order by id`);

  it('times a run out with its sessions, leaves its records and appends events of both (R205, R203)', async () => {
    const session = await begin({ runId: 'stuck' });
    await registry.runs.saveRecord('stuck', { a: 1 }, { key: 'a' });
    await rawSql(url, `update runs set total = 7, queued = 2, running = 1, done = 4 where id = 'stuck'`);
    const seenAt = await progressOf('stuck');
    const done = await registry.stuck.timeOut([{ runId: 'stuck', seenAt, message: 'no progress for 31 min' }]);
    expect(done.runIds).to.deep.equal(['stuck']);
    expect(done.sessions).to.have.length(1);
    expect(done.sessions[0]).to.include({ id: session.id, status: 'timed_out', folder: '/tmp/x', driverPid: 2 });
    const run = await registry.runs.get('stuck');
    expect(run).to.deep.include({
      status: 'timed_out',
      token: null,
      records: 1,
      error: { code: 'run-timed-out', message: 'no progress for 31 min' },
      counts: { total: 7, queued: 0, running: 0, done: 4, failed: 0, cancelled: 3, skipped: 0 },
    });
    expect(await eventsOf('session_id', session.id)).to.deep.include({
      type: 'session_timeout',
      status: 'timed_out',
      message: 'no progress for 31 min',
    });
    expect((await eventsOf('run_id', 'stuck')).map(({ type }) => type)).to.include('run_ended');
    await registry.runs.begin('stuck', { token: session.token + 1_000, process: PROCESS });
  });

  it('does not change runs and sessions that made progress since they were found', async () => {
    const moving = await begin({ runId: 'moving' });
    const used = await begin();
    const done = await registry.stuck.timeOut([
      { runId: 'moving', seenAt: '2020-01-01T00:00:00.000Z', message: 'x' },
      { sessionId: used.id, seenAt: '2020-01-01T00:00:00.000Z', message: 'x' },
    ]);
    expect(done).to.deep.equal({ runIds: [], sessions: [] });
    expect(await registry.sessions.get(moving.id)).to.include({ status: 'active' });
    expect(await registry.sessions.get(used.id)).to.include({ status: 'active' });
    expect(await registry.runs.get('moving')).to.include({ status: 'processing' });
  });

  it('times out a session without a run, and a run whose session is gone', async () => {
    const alone = await begin();
    await begin({ runId: 'bare' });
    await rawSql(url, `delete from sessions where run_id = 'bare'`);
    const done = await registry.stuck.timeOut([
      { sessionId: alone.id, seenAt: alone.lastUsedAt, message: 'unused for 31 min' },
      { runId: 'bare', seenAt: await progressOf('bare'), message: 'no progress' },
    ]);
    expect(done.runIds).to.deep.equal(['bare']);
    expect(done.sessions.map(({ id }) => id)).to.deep.equal([alone.id]);
    expect(await registry.sessions.get(alone.id)).to.include({
      status: 'timed_out',
      errorMessage: 'unused for 31 min',
    });
  });

  it('notifies the process of the session by its lease', async () => {
    const session = await begin({ runId: 'revoked' });
    await registry.stuck.timeOut([{ runId: 'revoked', seenAt: await progressOf('revoked'), message: 'no progress' }]);
    const lost = await registry.leases.renew('me', [{ id: session.id, lastHeartbeatAt: null, lastUsedAt: '' }], 1_000);
    expect(lost.get(session.id)).to.include({ status: 'timed_out' });
  });

  it('does nothing on the second call', async () => {
    const session = await begin({ runId: 'twice' });
    const finding = { runId: 'twice', seenAt: await progressOf('twice'), message: 'no progress' };
    await Promise.all([registry.stuck.timeOut([finding]), registry.stuck.timeOut([finding])]);
    await registry.stuck.timeOut([finding]);
    const events = await eventsOf('session_id', session.id);
    expect(events.filter(({ type }) => type === 'session_timeout')).to.have.length(1);
  });
});
