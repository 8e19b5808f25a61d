import { expect } from 'chai';

import {
  LeaseLostError,
  openRegistry,
  toStepRowId,
  type RecordEntry,
  type Registry,
  type RunSnapshot,
  type RunStore,
  type StepId,
} from '../../src/registry/registry.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';
import { makeDeath } from '../support/make-death.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const step = (key: string, batch: string | null = null): StepId => ({ batch, key });
const record = (key: string, value: unknown = key, dataset = 'records'): RecordEntry => ({
  dataset,
  key,
  json: JSON.stringify({ value }),
});

describeOnBoth('RunStore', (registries) => {
  let registry: Registry;
  let store: RunStore;
  let failures: Error[];
  let cancels: number;
  let snapshot: RunSnapshot;

  const open = async (token: number) => {
    const run = await registry.runs.begin('run', { token, process: PROCESS });
    const reported: Error[] = [];
    failures = reported;
    cancels = 0;
    return registry.runs.openStore(run, {
      token,
      snapshot: () => snapshot,
      onFailure: (error) => reported.push(error),
      onCancel: () => (cancels += 1),
    });
  };

  before(async () => {
    registry = await openRegistry(await registries.url());
  });

  after(() => registry.close());

  beforeEach(async () => {
    const counts = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };
    snapshot = { counts, display: null, sessions: 1, reused: 0, contextLosses: 0, deaths: [], durationMs: 0 };
    await registry.runs.create({ id: 'run', action: 'test', params: { url: 'http://x/' }, owner: 'run' });
    store = await open(1);
  });

  afterEach(async () => {
    await store.close();
    await registry.runs.setStatus('run', 'cancelled');
    const run = await registry.runs.get('run');
    if (typeof run?.token === 'number') {
      const closer = await open(run.token);
      await closer.finish({ status: 'cancelled', error: null, outputs: {} });
    }
    expect(await registry.runs.remove('run')).to.equal(true);
  });

  const end = (key: string, order: number, records: readonly RecordEntry[] = []) =>
    store.endStep(step(key), { status: 'done', value: undefined, records }, order);
  const records = () => Array.fromAsync(store.listRecords());
  const keys = async () => (await records()).map(({ key }) => key);
  const save = (entry: RecordEntry, order: number, nth = 1) => store.saveRecord(entry, { order, nth });

  it('begins without steps and records', async () => {
    expect(await records()).to.deep.equal([]);
    expect(await Array.fromAsync(store.loadSteps())).to.deep.equal([]);
    expect(store.recordCount).to.equal(0);
  });

  it('lists records in the order of their steps, then in the order of saving, even if they were stored in another order', async () => {
    await end('second', 1, [record('c'), record('d')]);
    await save(record('e'), 2);
    await end('first', 0, [record('b'), record('a')]);
    expect(await keys()).to.deep.equal(['b', 'a', 'c', 'd', 'e']);
    expect(store.recordCount).to.equal(5);
  });

  it('returns records as they were saved', async () => {
    const odd = { dataset: '../x\0', key: '__proto__ "\\ \ud800', json: '{"text":"\\u0000 👋 \\"\\n"}' };
    await end('a\0 \udfff', 0, [odd]);
    expect(await records()).to.deep.equal([odd]);
    expect((await Array.fromAsync(store.loadSteps()))[0]?.id.key).to.equal('a\0 \udfff');
  });

  it('stores keys and values of any length', async () => {
    const long = `https://example.com/${'ä'.repeat(5_000)}`;
    await store.endStep(step(long, long), { status: 'done', value: JSON.stringify(long), records: [record(long)] }, 0);
    await store.endStep(step(`${long}!`, long), { status: 'done', value: '1', records: [record(`${long}!`)] }, 1);
    expect(await keys()).to.deep.equal([long, `${long}!`]);
    const [stored] = await Array.fromAsync(store.loadSteps());
    expect(stored).to.deep.equal({
      id: { batch: long, key: long },
      order: 0,
      hasEffects: false,
      status: 'done',
      end: { status: 'done', value: JSON.stringify(long) },
    });
  });

  it('stores the last record of a dataset and key, and returns it as replaced if it was of another step', async () => {
    expect(await end('one', 0, [record('same', 1), record('same', 1, 'other')])).to.deep.equal([]);
    const replaced = await end('two', 1, [record('same', 2), record('new', 2)]);
    expect(replaced.map(({ dataset, key }) => [dataset, key])).to.deep.equal([['records', 'same']]);
    expect((await records()).map(({ json }) => json)).to.deep.equal(['{"value":1}', '{"value":2}', '{"value":2}']);
    expect(store.recordCount).to.equal(3);
  });

  it('returns a replaced record also if both steps end in one commit', async () => {
    const [first, second] = await Promise.all([
      end('one', 0, [record('same', 1), record('b')]),
      end('two', 1, [record('same', 2)]),
    ]);
    expect(first).to.deep.equal([]);
    expect(second.map(({ key }) => key)).to.deep.equal(['same']);
    expect(await keys()).to.deep.equal(['b', 'same']);
    expect(store.recordCount).to.equal(2);
  });

  it('moves a record to the position of the step that saved it last', async () => {
    await end('one', 0, [record('a')]);
    await end('two', 1, [record('b')]);
    await end('three', 2, [record('a')]);
    expect(await keys()).to.deep.equal(['b', 'a']);
  });

  it('leaves a record in its position when the same save stores it again', async () => {
    await save(record('a', 1), 0);
    await save(record('b', 1), 1);
    await save(record('a', 2), 0, 2);
    expect(await keys()).to.deep.equal(['a', 'b']);
    expect((await records())[0]?.json).to.equal('{"value":2}');
    expect(await Array.fromAsync(store.loadSaves())).to.have.deep.members([
      { dataset: 'records', key: 'a', order: 0, nth: 2 },
      { dataset: 'records', key: 'b', order: 1, nth: 1 },
    ]);
  });

  it('stores no records of a step that failed or was skipped', async () => {
    const error = { code: 'error', message: 'broken\0' };
    expect(await store.endStep(step('a'), { status: 'failed', error }, 0)).to.deep.equal([]);
    expect(await store.endStep(step('a', 'b'), { status: 'skipped', reason: 'no' }, 1)).to.deep.equal([]);
    expect(store.recordCount).to.equal(0);
    expect((await Array.fromAsync(store.loadSteps())).map(({ end: how }) => how)).to.deep.equal([
      { status: 'failed', error: { code: 'error', message: 'broken\ufffd' } },
      { status: 'skipped', reason: 'no' },
    ]);
  });

  it('preserves the order of declaration, even if steps end in another order, also in a later process (invariant 5)', async () => {
    store.declareSteps([
      { id: step('a', 'x'), order: 0 },
      { id: step('b', 'x'), order: 1, added: { by: 'a', json: '{"n":1}' } },
    ]);
    await store.endStep(step('b', 'x'), { status: 'done', value: '2', records: [] }, 1);
    await store.close();
    store = await open(2);
    expect(await Array.fromAsync(store.loadSteps())).to.deep.equal([
      { id: step('a', 'x'), order: 0, hasEffects: false, status: 'queued', end: undefined },
      {
        id: step('b', 'x'),
        order: 1,
        hasEffects: false,
        status: 'done',
        end: { status: 'done', value: '2' },
        added: { by: 'a', json: '{"n":1}' },
      },
    ]);
  });

  it('distinguishes a step from one with the same key within another step', async () => {
    const outer = toStepRowId(step('outer'));
    await end('a', 0, [record('x', 'top')]);
    await store.endStep({ ...step('a'), within: outer }, { status: 'done', value: '2', records: [] }, 1);
    expect((await Array.fromAsync(store.loadSteps())).map(({ id, end: how }) => ({ id, how }))).to.deep.equal([
      { id: step('a'), how: { status: 'done', value: undefined } },
      { id: { ...step('a'), within: outer }, how: { status: 'done', value: '2' } },
    ]);
  });

  it('stores that a step has begun, and that it sent something, before it ends', async () => {
    await store.beginStep({ id: step('a'), order: 0 });
    await store.noteEffect({ id: step('b'), order: 1 });
    await store.close();
    store = await open(2);
    const stored = async () =>
      (await Array.fromAsync(store.loadSteps())).map(({ status, hasEffects }) => ({ status, hasEffects }));
    expect(await stored()).to.deep.equal([
      { status: 'queued', hasEffects: false },
      { status: 'queued', hasEffects: true },
    ]);
    await end('b', 1);
    expect((await stored())[1]).to.deep.equal({ status: 'done', hasEffects: true });
  });

  it('removes a step, all later steps and the steps around it, with their records', async () => {
    await end('before', 0, [record('before')]);
    await end('around', 1, [record('around')]);
    await end('redo', 2, [record('redo')]);
    await save(record('late'), 3);
    const part = { fromOrder: 2, around: [toStepRowId(step('around'))] };
    expect((await rejectionOf(registry.runs.forgetSteps('run', { token: 7, ...part }))).message).to.contain('run');
    expect(await registry.runs.forgetSteps('run', { token: 1, ...part })).to.equal(2);
    expect((await Array.fromAsync(store.loadSteps())).map(({ id }) => id.key)).to.deep.equal(['before']);
    expect(await keys()).to.deep.equal(['before']);
    expect((await registry.runs.get('run'))?.records).to.equal(1);
  });

  it('returns whether a replaced record has the same content', async () => {
    await end('a', 0, [record('x', 1), record('y', 1)]);
    const replaced = await store.endStep(
      step('b'),
      { status: 'done', value: undefined, records: [record('x', 1), record('y', 2)] },
      1,
    );
    expect(replaced.map(({ key, isSame }) => ({ key, isSame }))).to.deep.equal([
      { key: 'x', isSame: true },
      { key: 'y', isSame: false },
    ]);
  });

  it('stores the numbers of the run with each commit, for readers in other processes (R515)', async () => {
    const counts = { total: 4, queued: 1, running: 1, done: 2, failed: 0, cancelled: 0, skipped: 0 };
    snapshot = {
      ...snapshot,
      counts,
      display: { done: 1, total: 2, label: 'half\0' },
      deaths: [makeDeath({ cause: 'frozen' })],
    };
    await end('a', 0, [record('a')]);
    const run = await registry.runs.get('run');
    expect(run).to.deep.include({ counts, records: 1, status: 'processing', deaths: [makeDeath({ cause: 'frozen' })] });
    expect(run?.display).to.deep.equal({ done: 1, total: 2, label: 'half\ufffd' });
    expect(Date.parse(run?.lastProgressAt ?? '')).to.be.greaterThan(0);
  });

  it('stores nothing under an older token, and reports that once (invariant 5)', async () => {
    const old = store;
    const seen = failures;
    store = await open(2);
    const refused = await rejectionOf(
      old.endStep(step('late'), { status: 'done', value: '1', records: [record('x')] }, 0),
    );
    expect(refused).to.be.instanceOf(LeaseLostError);
    expect(await rejectionOf(old.saveRecord(record('y'), { order: 1, nth: 1 }))).to.equal(refused);
    expect(seen).to.deep.equal([refused]);
    expect(await rejectionOf(old.finish({ status: 'completed', error: null, outputs: {} }))).to.equal(refused);
    expect(await records()).to.deep.equal([]);
    expect(await Array.fromAsync(store.loadSteps())).to.deep.equal([]);
    await old.close();
  });

  it('proves that the run is its own, and rejects after another process has begun it', async () => {
    const before = (await registry.runs.get('run'))!;
    await store.prove();
    await registry.runs.proveUnchanged(before);
    await registry.runs.begin('run', { token: 2, process: PROCESS });
    expect(await rejectionOf(store.prove())).to.be.instanceOf(LeaseLostError);
    expect(await rejectionOf(registry.runs.proveUnchanged(before))).to.be.instanceOf(LeaseLostError);
    store = await open(3);
    await store.finish({ status: 'completed', error: null, outputs: {} });
    const over = (await registry.runs.get('run'))!;
    await registry.runs.proveUnchanged(over);
    store = await open(4);
    await store.finish({ status: 'completed', error: null, outputs: {} });
    expect(await rejectionOf(registry.runs.proveUnchanged(over))).to.be.instanceOf(LeaseLostError);
  });

  it('lists large records in small pages, each record once', async () => {
    const sizes = [10, 3_000_000, 10, 1_400_000, 1_400_000, 10];
    await end(
      'a',
      0,
      sizes.map((size, index) => record(`${index}`, 'x'.repeat(size))),
    );
    expect(await keys()).to.deep.equal(['0', '1', '2', '3', '4', '5']);
    const pages: number[] = [];
    for (let after: string | undefined; ;) {
      const page = await registry.runs.listRecordsPage('run', { limit: 6, ...(after !== undefined && { after }) });
      pages.push(page.records.length);
      if (page.next === null) break;
      after = page.next;
    }
    expect(pages).to.deep.equal([1, 1, 2, 2]);
  });

  it('refuses a begin under an older token than that of the working run', async () => {
    await store.close();
    store = await open(5);
    expect(await rejectionOf(registry.runs.begin('run', { token: 4, process: PROCESS }))).to.be.instanceOf(
      LeaseLostError,
    );
  });

  it('ends the run, and stores nothing afterwards', async () => {
    await end('a', 0);
    const error = { code: 'x', message: 'y' };
    await store.finish({ status: 'partial', error, outputs: { records: 'a.jsonl' } });
    const run = await registry.runs.get('run');
    expect(run).to.deep.include({ status: 'partial', error, outputs: { records: 'a.jsonl' }, token: null });
    expect((await rejectionOf(end('b', 1))).message).to.contain('The run is over');
    const [event] = await registry.events.listLatest({ limit: 1 });
    expect(event).to.include({ type: 'run_ended', owner: run?.owner, runId: 'run', status: 'partial', message: 'y' });
  });

  it('reports a requested cancellation', async () => {
    expect(await registry.runs.requestCancel('run')).to.equal('requested');
    await end('a', 0);
    expect(cancels).to.be.greaterThan(0);
  });

  it('stores 5 000 steps with a record each, many at once, and lists them in order', async () => {
    const count = 5_000;
    const all = Array.from({ length: count }, (_unused, index) => count - 1 - index);
    await Promise.all(all.map((order) => end(String(order), order, [record(String(order))])));
    const listed = await keys();
    expect(listed).to.deep.equal(Array.from({ length: count }, (_unused, index) => String(index)));
    expect(store.recordCount).to.equal(count);
  });
});
