import { expect } from 'chai';

import type { Registry } from '../../../src/registry/registry.ts';
import { numbers } from '../../support/opened-run.ts';
import { insertSession, literal, rawSql } from '../../support/raw-sql.ts';
import { describeOnSqliteAndInFullOnPostgres } from '../../support/registries.ts';
import { useFilledMonitor } from '../support/filled-monitor.ts';
import { ODD_OWNER } from '../support/filled-registry.ts';
import type { OpenedMonitor } from '../support/opened-monitor.ts';
import { minutesAgo } from '../support/rows.ts';

describeOnSqliteAndInFullOnPostgres('Monitor: pages of rows', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;

  const { opened, get, page } = useFilledMonitor(registries);
  before(() => {
    ({ url, registry, monitor } = opened());
  });

  it('contain rows of the same millisecond exactly once', async () => {
    const at = minutesAgo(600);
    for (const number of numbers(5))
      await rawSql(
        url,
        insertSession({ id: `twin ${number}`, owner: `twin ${number}`, status: 'ended', created_at: at, ended_at: at }),
      );
    const seen: string[] = [];
    for (let after = ''; ;) {
      const { rows, next } = await page('sessions', `status=ended&limit=2${after}`);
      seen.push(...rows.map(({ id }) => id));
      if (next === null) break;
      after = `&after=${encodeURIComponent(next)}`;
    }
    await rawSql(url, `delete from sessions where id like 'twin %'`);
    expect(seen).to.deep.equal(['ended', 'twin 4', 'twin 3', 'twin 2', 'twin 1', 'twin 0']);
  });

  it('have at most 2 MB of large records, a cursor of the next page, and together all records', async () => {
    const sizes = [0.6, 0.6, 0.6, 0.6, 2.1, 0.1].map((megabytes) => megabytes * 1_000_000);
    await registry.runs.create({ id: 'with large records', action: 'gather', params: {}, owner: 'large' });
    await registry.runs.setRecords(
      'with large records',
      sizes.map((size, index) => ({ key: `${index}`, record: { text: 'x'.repeat(size) } })),
    );
    const pages: string[][] = [];
    for (let after: string | null = ''; after !== null;) {
      const answer = await monitor.ask(`/runs/with%20large%20records/records?limit=1000${after}`);
      expect(Buffer.byteLength(answer.text)).to.be.below(2_200_000);
      const { records, count, next } = answer.json;
      expect(count).to.equal(records.length);
      pages.push(records.map(({ key }: { key: string }) => key));
      after = next === null ? null : `&after=${encodeURIComponent(next)}`;
    }
    expect(pages).to.deep.equal([['0', '1', '2'], ['3'], ['4'], ['5']]);
  });

  it('have at most 2 MB of large runs', async () => {
    const params = { text: 'x'.repeat(800_000) };
    for (const id of ['1', '2', '3']) {
      await registry.runs.create({ id: `large ${id}`, action: 'large', params, owner: 'large' });
    }
    const first = await get('/runs?action=large');
    expect(first.runs).to.have.length(2);
    const second = await get(`/runs?action=large&after=${encodeURIComponent(first.next)}`);
    expect(second.next).to.equal(null);
    const ids = [...first.runs, ...second.runs].map(({ id }: { id: string }) => id);
    expect(ids).to.deep.equal(['large 3', 'large 2', 'large 1']);
    for (const id of ['1', '2', '3']) await registry.runs.remove(`large ${id}`);
  });

  it('have the records of a run in the order of their export, with any keys', async () => {
    const keys = ['b', 'a', ODD_OWNER, 'x'.repeat(180), 'x'.repeat(3_000), '', 'z'];
    const exported: object[] = [];
    for await (const { dataset, key, json } of registry.runs.listRecords('with records'))
      exported.push({ dataset, key, record: JSON.parse(json) as unknown });
    expect(exported).to.have.length(keys.length);
    expect((await get('/runs/with%20records/records')).records).to.deep.equal(exported);
    const seen: object[] = [];
    for (let after = ''; ;) {
      const { records, count, next } = await get(`/runs/with%20records/records?limit=1${after}`);
      expect(count).to.equal(records.length);
      seen.push(...records);
      if (next === null) break;
      after = `&after=${encodeURIComponent(next)}`;
    }
    expect(seen).to.deep.equal(exported);
  });

  it('begin at the start if the cursor is not from an earlier page', async () => {
    const { rows } = await page('runs', 'limit=2&after=nonsense');
    expect(rows).to.deep.equal((await page('runs', 'limit=2')).rows);
    const { records } = await get('/runs/with%20records/records?limit=1&after=nonsense');
    expect(records[0].key).to.equal('b');
  });

  for (const { target, status, code } of [
    { target: '/sessions/nobody', status: 404, code: 'not-found' },
    { target: '/runs/nobody', status: 404, code: 'not-found' },
    { target: '/runs/nobody/records', status: 404, code: 'not-found' },
    { target: '/nothing/here', status: 404, code: 'not-found' },
    { target: '/runs/with%00nul', status: 400, code: 'invalid-request' },
    { target: '/sessions?owner=with%00nul', status: 400, code: 'invalid-request' },
    { target: '/events?owner=with%00nul', status: 400, code: 'invalid-request' },
    { target: `/sessions/${'x'.repeat(250)}`, status: 400, code: 'invalid-request' },
    { target: `/sessions/${'x'.repeat(500)}`, status: 414, code: 'max-param-length' },
    { target: '/sessions/%zz', status: 400, code: 'bad-url' },
    { target: '/sessions?status=happy', status: 400, code: 'invalid-request' },
    { target: '/sessions?limit=0', status: 400, code: 'invalid-request' },
    { target: '/runs?limit=1001', status: 400, code: 'invalid-request' },
    { target: '/runs?limit=2.5', status: 400, code: 'invalid-request' },
    { target: '/runs?owner=a&owner=b', status: 400, code: 'invalid-request' },
    { target: '/timeline?minutes=0', status: 400, code: 'invalid-request' },
    { target: '/events?last=-1', status: 400, code: 'invalid-request' },
  ]) {
    it(`are refused for GET ${target.slice(0, 40)} with ${status} ${code} and a message`, async () => {
      const answer = await monitor.ask(target);
      expect(answer.status).to.equal(status);
      expect(answer.json).to.have.all.keys('error');
      expect(answer.json.error).to.have.all.keys('code', 'message');
      expect(answer.json.error.code).to.equal(code);
      expect(answer.json.error.message).to.be.a('string').and.not.equal('');
    });
  }

  it('gives the steps of a run by status, in pages, with the address of those that have one', async () => {
    const steps = [
      { id: 'a', key: 'sign in', status: 'done' },
      { id: 'b', key: 'https://shop.example/1?token=secret', status: 'failed', batch: 'products' },
      { id: 'c', key: 'two', status: 'failed', item: { url: 'http://shop.example/2' } },
      { id: 'd', key: 'three', status: 'failed', item: 'http://shop.example/3' },
      { id: 'e', key: 'javascript:alert(1)', status: 'failed', item: { url: 'file:///etc/passwd' } },
    ];
    for (const [order, { id, key, status, batch, item }] of steps.entries()) {
      const values = [id, key, status, batch, item && JSON.stringify(item)].map((one) => (one ? literal(one) : 'null'));
      await rawSql(
        url,
        `insert into steps (run_id, id, key, status, batch, item, ord, error_code, message)
         values ('with records', ${values.join()}, ${order}, 'step-failed', 'password=hunter2 was refused')`,
      );
    }
    const all = await get('/runs/with%20records/steps');
    expect(all.steps.map(({ status }: { status: string }) => status)).to.deep.equal(steps.map(({ status }) => status));
    const failed: { url: string | null; batch: string | null; message: string }[] = [];
    for (let after: string | null = ''; after !== null;) {
      const { steps: some, count, next } = await get(`/runs/with%20records/steps?status=failed&limit=3${after}`);
      expect(count).to.equal(some.length);
      failed.push(...some);
      after = next === null ? null : `&after=${encodeURIComponent(next)}`;
    }
    expect(failed.map((step) => step.url)).to.deep.equal([
      'https://shop.example/1?token=***',
      'http://shop.example/2',
      'http://shop.example/3',
      null,
    ]);
    expect(failed.map(({ batch }) => batch)).to.deep.equal(['products', null, null, null]);
    expect(JSON.stringify(all)).to.not.match(/hunter2|secret/);
    expect((await get('/runs/with%20records/steps?after=none')).count).to.equal(steps.length);
    await rawSql(url, `delete from steps where run_id = 'with records'`);
  });

  it('gives the events of a run alone, the newest first, in pages', async () => {
    await registry.runs.create({ id: 'eventful', action: 'gather', params: {}, owner: 'eventful' });
    for (const message of ['one', 'two', 'three'])
      await registry.events.append({ type: 'session_started', owner: 'someone', runId: 'eventful', message });
    await registry.events.append({ type: 'session_started', owner: 'someone', runId: 'other', message: 'other' });
    const first = await get('/runs/eventful/events?limit=2');
    const second = await get(`/runs/eventful/events?limit=2&after=${encodeURIComponent(first.next)}`);
    const messages = [...first.events, ...second.events].map(({ message }: { message: string }) => message);
    expect(messages).to.deep.equal(['three', 'two', 'one']);
    expect(second.next).to.equal(null);
    const made = encodeURIComponent('2026-01-01T00:00:00.000Z.none');
    expect((await get(`/runs/eventful/events?after=${made}`)).count).to.equal(3);
    await registry.runs.remove('eventful');
  });

  it('finds runs by a part of their id or the beginning of their action or owner, and treats no character as a wildcard', async () => {
    const add = (id: string, action: string, owner: string) => registry.runs.create({ id, action, params: {}, owner });
    await add('20261127-101112-abcdef', 'gather-100%', 'Ann_1');
    await add('20261127-101113-bcdefa', 'check', 'ann');
    const find = async (search: string, more = '') =>
      (await page('runs', `search=${encodeURIComponent(search)}${more}`)).rows.map(({ id }) => id.slice(-6));
    expect(await find('101112-ab')).to.deep.equal(['abcdef']);
    expect(await find('GATHER-1')).to.deep.equal(['abcdef']);
    expect((await find('ann')).toSorted()).to.deep.equal(['abcdef', 'bcdefa']);
    expect(await find('ann_')).to.deep.equal(['abcdef']);
    expect(await find('gather-100%')).to.deep.equal(['abcdef']);
    expect(await find('%')).to.deep.equal([]);
    expect(await find('nn')).to.deep.equal([]);
    expect(await find('ann', '&status=failed')).to.deep.equal([]);
    for (const id of ['20261127-101112-abcdef', '20261127-101113-bcdefa']) await registry.runs.remove(id);
  });

  it('finds sessions by a part of their id, the beginning of their owner, and their run', async () => {
    const ids = async (query: string) => (await page('sessions', query)).rows.map(({ id }) => id);
    expect(await ids('search=OWNER%20of%20dea')).to.deep.equal(['dead']);
    expect(await ids('search=ession%20of%20slow')).to.deep.equal(['session of slow']);
    expect(await ids('run=slow')).to.deep.equal(['session of slow']);
    expect(await ids('run=slow&status=dead')).to.deep.equal([]);
  });
});
