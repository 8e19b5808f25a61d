import { expect } from 'chai';

import type { SessionStatus } from '../../src/model/session.ts';
import { openRegistry, RegistryError, type Registry } from '../../src/registry/registry.ts';
import { insertSession, literal, rawSql } from '../support/raw-sql.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';

const MINUTE_MS = 60_000;
const ago = (minutes: number) => new Date(Date.now() - minutes * MINUTE_MS).toISOString();

describeOnBoth('SessionStore', (registries) => {
  let url: string;
  let registry: Registry;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  after(() => registry.close());

  beforeEach(() => rawSql(url, 'delete from sessions'));

  const insert = (id: string, columns: Readonly<Record<string, string | number | null>> = {}) =>
    rawSql(url, insertSession({ id, owner: id, ...columns }));
  const insertEnded = (id: string, status: SessionStatus, minutesAgo: number) =>
    insert(id, { status, created_at: ago(minutesAgo + 1), ended_at: ago(minutesAgo) });
  const ids = async () => (await registry.sessions.list()).map(({ id }) => id).sort();

  describe('reading', () => {
    it('returns a session by its id, and undefined for an unknown one', async () => {
      await insert('a', { owner: 'somebody', label: 'x', data: '{"n":[1]}', death: null });
      expect(await registry.sessions.get('a')).to.deep.include({
        id: 'a',
        owner: 'somebody',
        label: 'x',
        host: 'there',
      });
      expect((await registry.sessions.get('a'))?.data).to.deep.equal({ n: [1] });
      expect(await registry.sessions.get('b')).to.equal(undefined);
    });

    it('lists sessions, newest first, up to the limit', async () => {
      for (const [nth, id] of ['b', 'c', 'a'].entries()) await insert(id, { created_at: ago(10 - nth) });
      expect((await registry.sessions.list()).map(({ id }) => id)).to.deep.equal(['a', 'c', 'b']);
      expect((await registry.sessions.list({ limit: 2 })).map(({ id }) => id)).to.deep.equal(['a', 'c']);
    });

    it('lists and counts sessions by status, owner and host', async () => {
      await insert('a', { owner: 'one', host: 'h1' });
      await insert('b', { owner: 'one', host: 'h2', status: 'dead' });
      await insert('c', { owner: 'two', host: 'h1', status: 'ended' });
      const listed = async (filter: Parameters<typeof registry.sessions.list>[0]) =>
        (await registry.sessions.list(filter)).map(({ id }) => id).sort();
      expect(await listed({ owner: 'one' })).to.deep.equal(['a', 'b']);
      expect(await listed({ host: 'h1' })).to.deep.equal(['a', 'c']);
      expect(await listed({ status: 'dead' })).to.deep.equal(['b']);
      expect(await listed({ status: ['dead', 'ended'], host: 'h1' })).to.deep.equal(['c']);
      expect(await listed({ status: [] })).to.deep.equal([]);
      expect(await registry.sessions.count()).to.equal(3);
      expect(await registry.sessions.count({ owner: 'one' })).to.equal(2);
      expect(await registry.sessions.count({ status: ['active', 'ended'] })).to.equal(2);
      expect(await registry.sessions.countByStatus()).to.deep.equal({ active: 1, dead: 1, ended: 1 });
    });

    it('returns copies: changing one changes nothing that is stored (R506)', async () => {
      await insert('a', { data: '{"n":1}' });
      const [copy] = await registry.sessions.list();
      Object.assign(copy!, { status: 'dead' });
      Object.assign(copy!.data!, { n: 2 });
      expect(await registry.sessions.get('a')).to.deep.include({ status: 'active', data: { n: 1 } });
    });

    it('lists live sessions whose lease expired a given time ago, oldest first', async () => {
      const now = Date.now();
      await insert('over', { lease_expires_ms: now - 60_000 });
      await insert('long over', { lease_expires_ms: now - 600_000, status: 'starting' });
      await insert('running', { lease_expires_ms: now + 60_000 });
      await insert('dead', { lease_expires_ms: now - 600_000, status: 'dead' });
      const lapsed = async (limit: number, forMs?: number) =>
        (await registry.sessions.listLapsed({ limit, ...(forMs !== undefined && { forMs }) })).map(({ id }) => id);
      expect(await lapsed(10)).to.deep.equal(['long over', 'over']);
      expect(await lapsed(1)).to.deep.equal(['long over']);
      expect(await lapsed(10, 300_000)).to.deep.equal(['long over']);
      expect(await lapsed(10, 365 * 24 * 60 * MINUTE_MS + 0.5)).to.deep.equal([]);
    });
  });

  describe('grouping', () => {
    it('counts all sessions by status and minute of their creation, however many there are', async () => {
      const columns = 'id, owner, status, token, holder, lease_expires_ms, epoch, host, pid, process_identity';
      await rawSql(
        url,
        `insert into sessions (${columns}, created_at, last_used_at)
          with recursive n(i) as (select 0 union all select i + 1 from n where i < 1199)
          select 'id ' || i, 'owner', case when i % 2 = 0 then 'ended' else 'dead' end, 1, 'x', 0, 1, 'x', 1, 'x',
            '2026-01-01T00:0' || (i % 3) || ':' || (10 + i % 50) || '.000Z', '' from n`,
      );
      const groups = await registry.sessions.listGroups();
      const expected = ['dead', 'ended'].flatMap((status) =>
        [0, 1, 2].map((minute) => ({
          status,
          number: 200,
          oldest: `2026-01-01T00:0${minute}:${status === 'ended' ? 10 : 11}.000Z`,
          newest: `2026-01-01T00:0${minute}:${status === 'ended' ? 58 : 59}.000Z`,
        })),
      );
      expect(groups).to.have.deep.members(expected);
    });
  });

  describe('changing', () => {
    it('sets label and data together, and leaves fields that are not given (R506)', async () => {
      await insert('a', { label: 'old', data: '{"n":1}' });
      expect(await registry.sessions.update('a', { label: 'new' })).to.deep.include({ label: 'new', data: { n: 1 } });
      const both = await registry.sessions.update('a', { label: null, data: { list: ['ä', '👋'] } });
      expect(both).to.deep.include({ label: null, data: { list: ['ä', '👋'] } });
      expect(await registry.sessions.get('a')).to.deep.equal(both);
      expect(await registry.sessions.update('a', {})).to.deep.equal(both);
      expect(await registry.sessions.update('unknown', { label: 'x' })).to.equal(undefined);
    });

    it('stores texts with characters that a database refuses, with a mark for each', async () => {
      await insert('a');
      const kept = await registry.sessions.update('a', { label: 'a\0b\ud800c', data: { text: 'a\0b\ud800c' } });
      expect(kept).to.deep.include({ label: 'a\ufffdb\ufffdc', data: { text: 'a\0b\ud800c' } });
    });

    it('stores that a session was used', async () => {
      await insert('a', { last_used_at: ago(5) });
      const touched = await registry.sessions.touch('a');
      expect(Date.parse(touched!.lastUsedAt)).to.be.closeTo(Date.now(), MINUTE_MS);
      expect(await registry.sessions.touch('unknown')).to.equal(undefined);
    });
  });

  describe('removing', () => {
    it('removes one ended session, and never a live one', async () => {
      for (const status of ['starting', 'active', 'ended', 'dead', 'timed_out', 'expired'])
        await insert(status, { status });
      for (const live of ['starting', 'active']) expect(await registry.sessions.remove(live)).to.equal(false);
      for (const ended of ['ended', 'dead', 'timed_out', 'expired'])
        expect(await registry.sessions.remove(ended)).to.equal(true);
      expect(await registry.sessions.remove('ended')).to.equal(false);
      expect(await ids()).to.deep.equal(['active', 'starting']);
    });

    it('removes a batch of the given status and age, up to the limit', async () => {
      for (let nth = 0; nth < 5; nth += 1) await insertEnded(`old ${nth}`, 'dead', 90 + nth);
      await insertEnded('young', 'dead', 10);
      await insertEnded('other', 'ended', 90);
      await insert('never ended', { status: 'expired', created_at: ago(90) });
      const remove = (status: SessionStatus, limit = 50) =>
        registry.sessions.removeEnded({ status, before: ago(60), limit });
      expect(await remove('dead', 2)).to.equal(2);
      expect(await remove('dead')).to.equal(3);
      expect(await remove('dead')).to.equal(0);
      expect(await ids()).to.deep.equal(['never ended', 'other', 'young']);
      expect(await remove('ended')).to.equal(1);
      expect(await remove('expired')).to.equal(1);
      expect(await registry.sessions.removeEnded({ status: 'dead', limit: 50 })).to.equal(1);
      expect(await ids()).to.deep.equal([]);
    });

    it('never removes a live session, with any filter', async () => {
      await insert('a', { created_at: ago(10_000), lease_expires_ms: 0 });
      await insert('b', { created_at: ago(10_000), lease_expires_ms: 0, status: 'starting' });
      for (const status of ['active', 'starting', 'dead'] as const)
        expect(await registry.sessions.removeEnded({ status, limit: 50 })).to.equal(0);
      expect(await ids()).to.deep.equal(['a', 'b']);
    });

    it('removes each of 500 sessions once if several clean-ups run at once', async () => {
      const rows = Array.from({ length: 500 }, (_unused, nth) =>
        insertSession({ id: `${nth}`, owner: 'x', status: 'dead' }),
      );
      const values = rows.map((statement) => statement.slice(statement.indexOf('values') + 'values'.length));
      await rawSql(url, `${rows[0]!.slice(0, rows[0]!.indexOf('values'))} values ${values.join(', ')}`);
      await using other = await openRegistry(url);
      let removed = 0;
      const clean = async ({ sessions }: Registry) => {
        for (let batch = -1; batch !== 0; removed += batch)
          batch = await sessions.removeEnded({ status: 'dead', limit: 50 });
      };
      await Promise.all([clean(registry), clean(other), clean(registry)]);
      expect(removed).to.equal(500);
      expect(await registry.sessions.count()).to.equal(0);
    });
  });

  describe('damaged rows (R514)', () => {
    const DAMAGES: Record<string, string> = {
      'an unknown status': "status = 'sleeping'",
      'data that is no JSON': `data = '{"n":'`,
      'a death that is no JSON': "death = 'x'",
      'a death without a cause': "death = '{}'",
      'a time that is none': "created_at = 'yesterday'",
      'a time that no calendar has': "created_at = '2026-13-45T99:00:00.000Z'",
      'a negative token': 'token = -1',
      'a number that JavaScript can’t represent exactly': 'token = 9223372036854775807',
      ...(registries.kind === 'sqlite' && {
        'a text in a column of numbers': "pid = 'x'",
        'bytes in a column of numbers': "epoch = x'00ff'",
        'a text for a lease': "lease_expires_ms = 'soon'",
      }),
    };

    for (const [what, spoil] of Object.entries(DAMAGES))
      it(`leaves out a row with ${what}, names it, and brings it to a safe state that frees the owner`, async () => {
        const { sessions, leases } = registry;
        await insert('good', { owner: 'good' });
        await insert('bad', { owner: 'mine', lease_expires_ms: Date.now() + 60 * MINUTE_MS, label: 'kept' });
        await rawSql(url, `update sessions set ${spoil} where id = 'bad'`);
        expect(await ids()).to.deep.equal(['good']);
        const refused = await rejectionOf(sessions.get('bad'));
        expect(refused).to.be.instanceOf(RegistryError);
        expect(refused.message).to.contain('session bad is damaged');
        expect(await sessions.listDamaged()).to.deep.equal(['bad']);
        expect(await sessions.recoverDamaged('bad')).to.equal('dead');
        expect(await sessions.get('bad')).to.include({ status: 'dead', owner: 'mine', label: 'kept', host: 'there' });
        expect((await sessions.get('bad'))?.errorMessage).to.contain('damaged');
        expect(await sessions.listDamaged()).to.deep.equal([]);
        const process = { host: 'here', pid: 1, identity: 'one' };
        const claim = { id: `new ${what}`, owner: 'mine', holder: 'me', process, leaseMs: MINUTE_MS };
        expect(await leases.claim(claim)).to.include({ isClaimed: true });
        expect(await sessions.remove('bad')).to.equal(true);
      });

    it('removes a row that cannot be repaired', async () => {
      await insert('bad', { owner: '', status: 'odd' });
      expect(await registry.sessions.recoverDamaged('bad')).to.equal('removed');
      expect(await registry.sessions.get('bad')).to.equal(undefined);
      const [event] = await rawSql(
        url,
        `select message from events where session_id = ${literal('bad')} order by id desc`,
      );
      expect(event?.['message']).to.contain('damaged');
    });

    it('does not change intact rows', async () => {
      await insert('good');
      const before = await registry.sessions.get('good');
      expect(await registry.sessions.recoverDamaged('good')).to.equal('intact');
      expect(await registry.sessions.recoverDamaged('unknown')).to.equal('missing');
      expect(await registry.sessions.get('good')).to.deep.equal(before);
    });
  });
});
