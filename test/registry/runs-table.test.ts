import { expect } from 'chai';

import { LeaseLostError, openRegistry, RegistryError, type Registry } from '../../src/registry/registry.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const ZEROS = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };

describeOnBoth('Runs', (registries) => {
  let url: string;
  let registry: Registry;
  let runs: Registry['runs'];
  let number = 0;
  let id: string;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    ({ runs } = registry);
  });

  after(() => registry.close());

  beforeEach(() => {
    id = `run ${(number += 1)}`;
  });

  const create = (given: { id?: string; owner?: string; action?: string } = {}) =>
    runs.create({ id, action: 'test', params: { url: 'http://x/' }, owner: id, ...given });
  const begin = (token: number) => runs.begin(id, { token, process: PROCESS });
  const records = () => Array.fromAsync(runs.listRecords(id));
  const keys = async () => (await records()).map(({ key }) => key);
  const eventsOf = async () =>
    (await rawSql(url, `select type from events where run_id = ${literal(id)} order by id`)).map(({ type }) => type);

  describe('create', () => {
    it('creates a pending run with all numbers at zero (R304)', async () => {
      const run = await runs.create({ id, action: 'a', params: { n: 1 }, owner: 'me', options: { shards: 2 } });
      expect(run).to.deep.include({ id, action: 'a', params: { n: 1 }, owner: 'me', status: 'pending', counts: ZEROS });
      expect(run).to.deep.include({ records: 0, sessions: 0, deaths: [], durationMs: 0, commitNumber: 0, token: null });
      expect(run).to.deep.include({ display: null, error: null, outputs: {}, options: { shards: 2 } });
      expect(run).to.include({ isCancelRequested: false, startedAt: null, endedAt: null, lastProgressAt: null });
      expect(await runs.get(id)).to.deep.equal(run);
    });

    it('returns an existing run unchanged', async () => {
      const first = await create();
      const begun = await begin(1);
      expect(await runs.create({ id, action: 'other', params: {}, owner: 'other' })).to.deep.equal(begun);
      expect(await runs.get(id)).to.deep.include({ status: 'processing', createdAt: first.createdAt });
    });

    it('creates a run once if many callers ask at once', async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => create()));
      expect(new Set(all.map(({ createdAt }) => createdAt)).size).to.equal(1);
    });

    it('stores parameters unchanged', async () => {
      const params = { text: 'a\0b\ud800 👋', list: [1.5, null, { deep: true }] };
      await runs.create({ id, action: 'a', params, owner: 'me' });
      expect((await runs.get(id))?.params).to.deep.equal(params);
    });
  });

  describe('get, list and count', () => {
    it('returns undefined for an unknown run', async () => {
      expect(await runs.get('unknown')).to.equal(undefined);
    });

    it('lists runs by status, owner and action, newest first, up to the limit', async () => {
      const owner = `owner of ${id}`;
      for (const name of ['a', 'b', 'c']) await create({ id: `${id} ${name}`, owner, action: name });
      await rawSql(url, `update runs set created_at = '2020-01-01T00:00:00.000Z' where id = ${literal(`${id} b`)}`);
      await runs.setStatus(`${id} c`, 'failed');
      const listed = async (filter: Parameters<typeof runs.list>[0]) =>
        (await runs.list({ owner, ...filter })).map((run) => run.id.at(-1));
      expect((await listed({})).at(-1)).to.equal('b');
      expect(await listed({ limit: 2 })).to.have.members(['a', 'c']);
      expect(await listed({ status: 'failed' })).to.deep.equal(['c']);
      expect(await listed({ action: 'a' })).to.deep.equal(['a']);
      expect(await listed({ owner: 'nobody' })).to.deep.equal([]);
    });

    it('counts runs by status', async () => {
      const [all, failed] = [await runs.count(), await runs.count({ status: 'failed' })];
      await create();
      expect(await runs.count()).to.equal(all + 1);
      await runs.setStatus(id, 'failed');
      expect(await runs.count({ status: 'failed' })).to.equal(failed + 1);
    });

    for (const spoil of ["deaths = 'x'", "last_progress_at = 'soon'", "created_at = 'yesterday'"])
      it(`names a damaged row instead of using it: ${spoil}`, async () => {
        await create();
        await rawSql(url, `update runs set ${spoil} where id = ${literal(id)}`);
        const refused = await rejectionOf(runs.get(id));
        expect(refused).to.be.instanceOf(RegistryError);
        expect(refused.message).to.contain(id);
        expect(await runs.listDamaged()).to.deep.equal([id]);
        await runs.remove(id);
      });

    it('lists older rows after a damaged row', async () => {
      const ids: string[] = [];
      for (let index = 0; index < 5; index += 1) {
        id = `page ${index}`;
        ids.unshift(id);
        await create();
        await rawSql(url, `update runs set created_at = '2999-01-01T00:00:0${index}.000Z' where id = ${literal(id)}`);
      }
      await rawSql(url, `update runs set deaths = 'x' where id = 'page 3'`);
      const first = await runs.listPage({ limit: 2 });
      expect(first.rows.map((run) => run.id)).to.deep.equal(['page 4']);
      const second = await runs.listPage({ limit: 2, after: first.last! });
      expect(second.rows.map((run) => run.id)).to.deep.equal(['page 2', 'page 1']);
      for (const each of ids) await runs.remove(each);
    });
  });

  describe('begin', () => {
    it('gives a run to one token', async () => {
      await create();
      const run = await begin(3);
      expect(run).to.include({ status: 'processing', token: 3, host: 'here', pid: 1, processIdentity: 'one' });
      expect(run.startedAt).to.equal(run.lastProgressAt);
      expect(await runs.get(id)).to.deep.equal(run);
      expect(await eventsOf()).to.deep.equal(['run_started']);
    });

    it('resumes a run under the same or a newer token, and never under an older one', async () => {
      await create();
      await begin(3);
      expect((await begin(3)).token).to.equal(3);
      expect((await begin(4)).token).to.equal(4);
      const refused = await rejectionOf(begin(3));
      expect(refused).to.be.instanceOf(LeaseLostError);
      expect(refused.message).to.contain('pid 1 on here');
    });

    it('gives the run to the newest of many callers in the end', async () => {
      await create();
      await Promise.allSettled(Array.from({ length: 20 }, (_unused, index) => begin(index + 1)));
      expect((await runs.get(id))?.token).to.equal(20);
    });

    it('clears the error and the end of a resumed run', async () => {
      await create();
      await begin(1);
      await rawSql(url, `update runs set token = null, commit_number = 2 where id = ${literal(id)}`);
      await runs.setStatus(id, 'halted', { code: 'x', message: 'y' });
      const { startedAt, endedAt } = (await runs.get(id))!;
      expect(endedAt).to.be.a('string');
      expect(await begin(2)).to.deep.include({ status: 'processing', error: null, endedAt: null, startedAt });
      expect(await eventsOf()).to.deep.equal(['run_started', 'run_ended', 'run_resumed']);
    });

    it('rejects for a run that does not exist', async () => {
      expect((await rejectionOf(begin(1))).message).to.contain(`There is no run ${id}`);
    });
  });

  describe('setStatus', () => {
    it('sets status and error of a run without a process', async () => {
      await create();
      expect(await runs.setStatus(id, 'failed', { code: 'x', message: 'y\0\ud800' })).to.equal(true);
      const run = await runs.get(id);
      expect(run).to.deep.include({ status: 'failed', error: { code: 'x', message: 'y\ufffd\ufffd' } });
      expect(run?.endedAt).to.be.a('string');
      expect(await runs.setStatus(id, 'pending')).to.equal(true);
      expect(await runs.get(id)).to.deep.include({ status: 'pending', error: null, endedAt: null });
      expect(await eventsOf()).to.deep.equal(['run_ended']);
    });

    it('does not change a run on which a process works, or one that does not exist', async () => {
      await create();
      await begin(1);
      expect(await runs.setStatus(id, 'failed')).to.equal(false);
      expect(await runs.setStatus('unknown', 'failed')).to.equal(false);
      expect(await runs.get(id)).to.include({ status: 'processing' });
    });
  });

  describe('setProgress', () => {
    it('stores the displayed progress, with or without a label (R515)', async () => {
      await create();
      await runs.setProgress(id, { done: 1.5, total: 10, label: 'half\0' });
      expect((await runs.get(id))?.display).to.deep.equal({ done: 1.5, total: 10, label: 'half\ufffd' });
      await runs.setProgress(id, { done: 2, total: 10 });
      const run = await runs.get(id);
      expect(run?.display).to.deep.equal({ done: 2, total: 10 });
      expect(Date.parse(run?.lastProgressAt ?? '')).to.be.closeTo(Date.now(), 60_000);
    });

    it('rejects for a run that does not exist', async () => {
      expect((await rejectionOf(runs.setProgress('unknown', { done: 1, total: 2 }))).message).to.contain(
        'no run unknown',
      );
    });
  });

  describe('records', () => {
    it('saves one record by its key, and replaces it in its position (R501)', async () => {
      await create();
      for (const key of ['b', 'a']) await runs.saveRecord(id, { key }, { key });
      await runs.saveRecord(id, { key: 'new' }, { key: 'b' });
      await runs.saveRecord(id, { key: 'b' }, { key: 'b', dataset: 'other' });
      expect((await records()).map(({ dataset, key, json }) => [dataset, key, json])).to.deep.equal([
        ['records', 'b', '{"key":"new"}'],
        ['records', 'a', '{"key":"a"}'],
        ['other', 'b', '{"key":"b"}'],
      ]);
      expect((await runs.get(id))?.records).to.equal(3);
    });

    it('saves many records at once, each once', async () => {
      await create();
      const all = Array.from({ length: 40 }, (_unused, index) => `${index % 20}`);
      await Promise.all(all.map((key) => runs.saveRecord(id, { key }, { key })));
      expect(await keys()).to.have.members(all.slice(0, 20));
      expect((await runs.get(id))?.records).to.equal(20);
    });

    it('replaces all records of a dataset, and leaves the other datasets (R501)', async () => {
      await create();
      await runs.saveRecord(id, {}, { key: 'old' });
      await runs.saveRecord(id, {}, { key: 'kept', dataset: 'other' });
      const given = ['c', 'a', 'b'].map((key) => ({ key, record: { key } }));
      await runs.setRecords(id, given);
      expect((await keys()).filter((key) => key !== 'kept')).to.deep.equal(['c', 'a', 'b']);
      expect(await keys()).to.include('kept');
      expect((await runs.get(id))?.records).to.equal(4);
      await runs.setRecords(id, [], 'other');
      expect(await keys()).to.deep.equal(['c', 'a', 'b']);
    });

    it('stores the last of two records with the same key', async () => {
      await create();
      await runs.setRecords(
        id,
        [1, 2].map((n) => ({ key: 'same', record: { n } })),
      );
      expect((await records()).map(({ json }) => json)).to.deep.equal(['{"n":2}']);
    });

    it('lists every record of several long datasets', async () => {
      await create();
      const given = Array.from({ length: 700 }, (_unused, index) => ({ key: `${index}`, record: { index } }));
      for (const dataset of ['a', 'b', 'c']) await runs.setRecords(id, given, dataset);
      const listed = await records();
      expect(new Set(listed.map(({ dataset, key }) => `${dataset} ${key}`)).size).to.equal(2_100);
      for (const dataset of ['a', 'b', 'c'])
        expect(listed.filter((one) => one.dataset === dataset).map(({ key }) => Number(key))).to.deep.equal(
          given.map(({ key }) => Number(key)),
        );
    });

    it('stores records of a generator', async () => {
      await create();
      await runs.setRecords(
        id,
        (function* () {
          for (const key of ['x', 'y']) yield { key, record: {} };
        })(),
      );
      expect(await keys()).to.deep.equal(['x', 'y']);
    });

    it('stores keys of any length and with unusual characters', async () => {
      await create();
      const odd = ['ä'.repeat(5_000), `${'ä'.repeat(5_000)}!`, "'; drop table records; --", 'a\0b', '\ud800', ''];
      for (const key of odd) await runs.saveRecord(id, { key }, { key });
      expect(await records()).to.have.length(odd.length);
      expect((await keys()).slice(0, 3)).to.deep.equal(odd.slice(0, 3));
    });

    it('rejects for a run that does not exist, and stores nothing', async () => {
      expect((await rejectionOf(runs.saveRecord(id, {}, { key: 'a' }))).message).to.contain(`no run ${id}`);
      expect((await rejectionOf(runs.setRecords(id, [{ key: 'a', record: {} }]))).message).to.contain(`no run ${id}`);
      expect(await records()).to.deep.equal([]);
    });
  });

  describe('remove', () => {
    it('removes a run with its steps and records', async () => {
      await create();
      await runs.saveRecord(id, {}, { key: 'a' });
      expect(await runs.remove(id)).to.equal(true);
      expect(await runs.get(id)).to.equal(undefined);
      expect(await records()).to.deep.equal([]);
      expect(await runs.remove(id)).to.equal(false);
      expect(await eventsOf()).to.deep.equal(['run_removed']);
    });

    it('does not remove a run on which a process works', async () => {
      await create();
      await begin(1);
      expect(await runs.remove(id)).to.equal(false);
      expect(await runs.get(id)).to.include({ status: 'processing' });
    });

    it('removes a run or lets it begin if both happen at once, and never removes half of it', async () => {
      await using other = await openRegistry(url);
      for (let round = 0; round < 10; round += 1) {
        id = `run ${(number += 1)}`;
        await create();
        await runs.saveRecord(id, {}, { key: 'a' });
        const [removed, begun] = await Promise.allSettled([other.runs.remove(id), begin(1)]);
        const isRemoved = removed.status === 'fulfilled' && removed.value;
        expect(isRemoved).to.not.equal(begun.status === 'fulfilled');
        expect(await runs.get(id)).to.be.a(isRemoved ? 'undefined' : 'object');
        expect(await records()).to.have.length(isRemoved ? 0 : 1);
      }
    });
  });

  describe('requestCancel', () => {
    it('cancels a run without a process at once', async () => {
      await create();
      expect(await runs.requestCancel(id)).to.equal('cancelled');
      expect(await runs.get(id)).to.include({ status: 'cancelled' });
      expect((await runs.get(id))?.error?.code).to.equal('cancelled');
      expect(await runs.requestCancel(id)).to.equal('over');
    });

    it('requests the cancellation from the process that works on the run', async () => {
      await create();
      await begin(1);
      expect(await runs.requestCancel(id)).to.equal('requested');
      expect(await runs.get(id)).to.include({ status: 'processing', isCancelRequested: true });
      expect(await eventsOf()).to.deep.equal(['run_started', 'run_cancel_requested']);
    });

    it('returns that there is no such run, or that it is over', async () => {
      expect(await runs.requestCancel('unknown')).to.equal('missing');
      await create();
      await runs.setStatus(id, 'completed');
      expect(await runs.requestCancel(id)).to.equal('over');
      expect(await runs.get(id)).to.include({ status: 'completed', isCancelRequested: false });
    });

    it('never loses a request while the run begins', async () => {
      await using other = await openRegistry(url);
      for (let round = 0; round < 10; round += 1) {
        id = `run ${(number += 1)}`;
        await create();
        const [answer] = await Promise.all([other.runs.requestCancel(id), begin(1)]);
        const run = await runs.get(id);
        // A run that begins after it was cancelled is resumed on purpose.
        if (answer === 'requested') expect(run).to.include({ status: 'processing', isCancelRequested: true });
        else expect((await eventsOf()).slice(0, 2)).to.deep.equal(['run_ended', 'run_started']);
      }
    });
  });
});
