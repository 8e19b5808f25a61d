import { expect } from 'chai';

import { openRun, RUN } from '../support/opened-run.ts';
import { describeOnSqlite } from '../support/registries.ts';

/** More records than a statement of SQLite allows variables. */
const COUNT = 33_000;

describeOnSqlite('RunStore: a step with very many records', ({ url }) => {
  it('is stored, read and stored again, with each record in its position', async () => {
    await using run = await openRun(await url());
    const { store, registry } = run;
    const many = (text: string) =>
      Array.from({ length: COUNT }, (_unused, index) => ({
        dataset: 'd',
        key: `${index}`,
        json: `{"text":"${text}"}`,
      }));
    const end = (text: string) =>
      store.endStep({ batch: null, key: 'a' }, { status: 'done', value: undefined, records: many(text) }, 0);
    await end('old');
    expect(await store.findReplaced(many('new'), 1)).to.have.length(COUNT);
    expect(await end('new')).to.deep.equal([]);
    expect(await Array.fromAsync(registry.runs.listRecords(RUN))).to.deep.equal(many('new'));
    expect(store.recordCount).to.equal(COUNT);
  });
});
