import { expect } from 'chai';

import type { RecordEntry, RunStore } from '../../src/registry/registry.ts';

const step = (key: string) => ({ batch: null, key });
const record = (key: string, value: unknown = key, dataset = 'records'): RecordEntry => ({
  dataset,
  key,
  json: JSON.stringify({ value }),
});

/** What every memory of a run has to hold to. */
export function describeRunStore(name: string, open: () => Promise<RunStore>): void {
  describe(`RunStore: ${name}`, () => {
    let store: RunStore;

    beforeEach(async () => {
      store = await open();
    });

    afterEach(() => store.close());

    const end = (key: string, order: number, records: readonly RecordEntry[] = []) =>
      store.endStep(step(key), { status: 'done', value: undefined, records }, order);
    const keys = async () => (await store.listRecords()).map(({ key }) => key);

    it('begins without records', async () => {
      expect(await store.listRecords()).to.deep.equal([]);
      expect(await store.countRecords()).to.equal(0);
    });

    it('lists records by the order of their steps, then by that of saving, whatever was kept first', async () => {
      await end('second', 1, [record('c'), record('d')]);
      await store.saveRecord(record('e'), 2);
      await end('first', 0, [record('b'), record('a')]);
      expect(await keys()).to.deep.equal(['b', 'a', 'c', 'd', 'e']);
      expect(await store.countRecords()).to.equal(5);
    });

    it('gives records back as they were', async () => {
      const odd = { dataset: '../x', key: '__proto__', json: '{"text":"\\u0000 👋 \\"\\n"}' };
      await end('a', 0, [odd]);
      expect(await store.listRecords()).to.have.length(1);
      expect((await store.listRecords())[0]).to.include(odd);
    });

    it('keeps one record per dataset and key: the last one, told when it was another step’s', async () => {
      expect(await end('one', 0, [record('same', 1), record('same', 1, 'other')])).to.deep.equal([]);
      const replaced = await end('two', 1, [record('same', 2), record('new', 2)]);
      expect(replaced.map(({ dataset, key }) => [dataset, key])).to.deep.equal([['records', 'same']]);
      expect((await store.listRecords()).map(({ json }) => json)).to.deep.equal([
        '{"value":1}',
        '{"value":2}',
        '{"value":2}',
      ]);
      expect(await store.countRecords()).to.equal(3);
    });

    it('moves a record to the place of the step that saved it last', async () => {
      await end('one', 0, [record('a')]);
      await end('two', 1, [record('b')]);
      await end('three', 2, [record('a')]);
      expect(await keys()).to.deep.equal(['b', 'a']);
    });

    it('leaves a record in its place when the same step, or the same save, keeps it again', async () => {
      await store.saveRecord(record('a', 1), 0);
      await store.saveRecord(record('b', 1), 1);
      await store.saveRecord(record('a', 2), 0);
      expect(await end('c', 2, [record('x', 1), record('y', 1)])).to.deep.equal([]);
      expect(await end('c', 2, [record('x', 2), record('y', 2)])).to.deep.equal([]);
      expect(await keys()).to.deep.equal(['a', 'b', 'x', 'y']);
      expect((await store.listRecords())[0]?.json).to.equal('{"value":2}');
    });

    it('keeps no records of a step that failed or was skipped', async () => {
      const error = { code: 'error', message: 'broken' };
      expect(await store.endStep(step('a'), { status: 'failed', error }, 0)).to.deep.equal([]);
      expect(await store.endStep({ batch: 'b', key: 'a' }, { status: 'skipped', reason: 'no' }, 1)).to.deep.equal([]);
      expect(await store.countRecords()).to.equal(0);
    });

    it('takes 20 000 steps with a record each and lists them in order', async () => {
      const count = 20_000;
      for (let order = count - 1; order >= 0; order -= 1) await end(String(order), order, [record(String(order))]);
      const listed = await keys();
      expect(listed).to.have.length(count);
      expect(listed[0]).to.equal('0');
      expect(listed[count - 1]).to.equal(String(count - 1));
    });
  });
}
