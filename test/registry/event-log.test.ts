import { expect } from 'chai';
import { Client } from 'pg';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { describeOnBoth, describeOnPostgres } from '../support/registries.ts';

const OLD = '2020-01-01T00:00:00.000Z';

describeOnBoth('EventLog', (registries) => {
  let url: string;
  let registry: Registry;

  beforeEach(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  afterEach(() => registry.close());

  const append = (owner: string) => registry.events.append({ type: 'session_started', owner, data: { by: 'test' } });

  it('lists pages, oldest first, from the cursor of the reader (R209)', async () => {
    for (const owner of ['a', 'b', 'c']) await append(owner);
    const first = await registry.events.listAfter(0, { limit: 2 });
    const rest = await registry.events.listAfter(first.at(-1)?.id ?? 0, { limit: 2 });
    expect([...first, ...rest].map(({ owner }) => owner)).to.deep.equal(['a', 'b', 'c']);
    expect(first[0]).to.deep.include({ type: 'session_started', data: { by: 'test' } });
    expect(await registry.events.latestId()).to.equal(rest.at(-1)?.id);
    expect(await registry.events.settledId()).to.equal(rest.at(-1)?.id);
  });

  it('lists large events in pages of at most 2 MB, or of one event', async () => {
    for (const size of [900_000, 900_000, 900_000, 2_100_000])
      await registry.events.append({ type: 'session_warning', message: 'x'.repeat(size) });
    const idsOf = (events: readonly { readonly id: number }[]) => events.map(({ id }) => id);
    expect(idsOf(await registry.events.listAfter(0, { limit: 9 }))).to.deep.equal([1, 2]);
    expect(idsOf(await registry.events.listAfter(2, { limit: 9 }))).to.deep.equal([3]);
    expect(idsOf(await registry.events.listAfter(3, { limit: 9 }))).to.deep.equal([4]);
    expect(idsOf(await registry.events.listLatest({ limit: 9 }))).to.deep.equal([4]);
    expect(await registry.events.settledId()).to.equal(4);
  });

  it('lists the latest events of an owner, a type or a time, oldest first', async () => {
    for (const owner of ['a', 'b', 'a', 'a']) await append(owner);
    const latest = await registry.events.listLatest({ limit: 2, owner: 'a', types: ['session_started'], since: OLD });
    expect(latest.map(({ id }) => id)).to.deep.equal([3, 4]);
    expect(await registry.events.listLatest({ limit: 9, types: ['cleanup'] })).to.deep.equal([]);
  });

  it('counts the events of each type in a time window without its end', async () => {
    for (const [type, at] of [
      ['session_started', '2026-01-01T00:00:00.000Z'],
      ['session_started', '2026-01-01T00:00:59.999Z'],
      ['session_dead', '2026-01-01T00:00:30.000Z'],
      ['cleanup', '2026-01-01T00:00:30.000Z'],
      ['session_started', '2026-01-01T00:01:00.000Z'],
    ] as const) {
      await registry.events.append({ type, owner: 'a' });
      await rawSql(url, `update events set at = ${literal(at)} where id = ${await registry.events.latestId()}`);
    }
    const count = (from: string, to: string) =>
      registry.events.countByType({
        types: ['session_started', 'session_dead'],
        from: `2026-01-01T00:${from}.000Z`,
        to: `2026-01-01T00:${to}.000Z`,
      });
    expect(await count('00:00', '01:00')).to.deep.equal({ session_started: 2, session_dead: 1 });
    expect(await count('01:00', '02:00')).to.deep.equal({ session_started: 1 });
    expect(await count('02:00', '03:00')).to.deep.equal({});
  });

  it('removes old events, and at most the limit at a time', async () => {
    for (const owner of ['a', 'b', 'c']) await append(owner);
    await rawSql(url, `update events set at = ${literal(OLD)} where owner <> 'c'`);
    const lately = literal(new Date(Date.now() - 50_000).toISOString());
    await rawSql(url, `update events set at = ${lately} where owner = 'c'`);
    const before = new Date(Date.now() - 60_000).toISOString();
    expect(await registry.events.removeBefore(before, { limit: 1 })).to.equal(1);
    expect(await registry.events.removeBefore(before, { limit: 9 })).to.equal(1);
    expect((await registry.events.listAfter(0, { limit: 9 })).map(({ owner }) => owner)).to.deep.equal(['c']);
  });

  it('lists events although one row is damaged', async () => {
    await append('a');
    await rawSql(url, `update events set data = 'no json'`);
    expect((await registry.events.listAfter(0, { limit: 1 }))[0]).to.include({ owner: 'a', data: null });
  });
});

describeOnPostgres('EventLog, during a transaction with an older number', (registries) => {
  it('waits for the transaction, so that no reader misses its event', async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    const slow = new Client({ connectionString: url });
    await slow.connect();
    try {
      const now = literal(new Date().toISOString());
      await registry.events.append({ type: 'session_started', owner: 'first' });
      await slow.query('begin');
      await slow.query(`insert into events (at, type, owner) values (${now}, 'session_started', 'slow')`);
      const before = await registry.events.settledId();
      await registry.events.append({ type: 'session_started', owner: 'quick' });
      expect(await registry.events.settledId(), 'where a new reader begins').to.equal(before);
      expect(await registry.events.listAfter(before, { limit: 9 })).to.deep.equal([]);
      await slow.query('commit');
      const owners = (await registry.events.listAfter(before, { limit: 9 })).map(({ owner }) => owner);
      expect(owners).to.deep.equal(['slow', 'quick']);
    } finally {
      await slow.end();
    }
  });

  it('does not wait for a transaction that was rolled back long ago', async () => {
    const url = await registries.url();
    await using registry = await openRegistry(url);
    await rawSql(url, `begin; insert into events (at, type) values ('', 'cleanup'); rollback`);
    await registry.events.append({ type: 'session_started', owner: 'late' });
    expect(await registry.events.listAfter(0, { limit: 9 })).to.deep.equal([]);
    await rawSql(url, `update events set at = ${literal(OLD)}`);
    expect(await registry.events.listAfter(0, { limit: 9 })).to.have.length(1);
  });
});
