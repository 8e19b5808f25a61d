import { expect } from 'chai';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { allowRemovals, refuseRemovals } from '../support/refused-removals.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';

const STEPS = 3_500;

describeOnBoth('Removing a run with very many steps', (registries) => {
  let url: string;
  let registry: Registry;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  after(() => registry.close());

  beforeEach(async () => {
    for (const id of ['big', 'other']) await create(id);
    await rawSql(
      url,
      `insert into steps (run_id, id, key, ord, status)
        with recursive n(i) as (select 0 union all select i + 1 from n where i < ${STEPS - 1})
        select 'big', 'step ' || i, 'step ' || i, i, 'done' from n`,
    );
    for (const id of ['big', 'other']) await registry.runs.saveRecord(id, {}, { key: 'a' });
  });

  afterEach(async () => {
    for (const id of ['big', 'other']) await registry.runs.remove(id);
    await rawSql(url, 'delete from events');
  });

  const create = (id: string) => registry.runs.create({ id, action: 'test', params: {}, owner: id });
  const countOf = async (id: string) => {
    const parts = ['steps', 'records'].map((table) => `(select count(*) from ${table} where run_id = ${literal(id)})`);
    const [row] = await rawSql(url, `select ${parts.join(' + ')} as number`);
    return Number(row?.['number']);
  };
  /** Leaves the registry as if the program had ended during the removal. */
  const removeHalf = async () => {
    await refuseRemovals(url, 'steps', `old.key = 'step ${STEPS - 1}'`);
    try {
      expect((await rejectionOf(registry.runs.remove('big'))).message).to.contain('refused by a test');
    } finally {
      await allowRemovals(url);
    }
    expect(await countOf('big')).to.be.within(1, STEPS);
  };

  it('lets other writers work meanwhile, and removes nothing of another run', async () => {
    const removing = registry.runs.remove('big').then(() => 'removed');
    let written = 0;
    while ((await Promise.race([removing, registry.runs.saveRecord('other', {}, { key: 'a' })])) !== 'removed')
      written += 1;
    expect(written).to.be.at.least(2);
    expect(await countOf('big')).to.equal(0);
    expect(await countOf('other')).to.equal(1);
    expect(await registry.runs.listHalfRemoved()).to.deep.equal([]);
  });

  it('removes its row at once, lists it as half removed, and removes the rest on the next call', async () => {
    await removeHalf();
    expect(await registry.runs.get('big')).to.equal(undefined);
    expect(await registry.runs.listHalfRemoved()).to.deep.equal(['big']);
    expect(await registry.runs.remove('big')).to.equal(false);
    expect(await countOf('big')).to.equal(0);
    expect(await registry.runs.listHalfRemoved()).to.deep.equal([]);
    const events = await rawSql(url, "select run_id from events where type = 'run_removed'");
    expect(events).to.deep.equal([{ run_id: 'big' }]);
  });

  it('leaves no leftovers to a run with the same id', async () => {
    await removeHalf();
    await create('big');
    await registry.runs.saveRecord('big', {}, { key: 'new' });
    expect(await registry.runs.listHalfRemoved()).to.deep.equal([]);
    expect(await countOf('big')).to.equal(1);
    expect((await Array.fromAsync(registry.runs.listRecords('big'))).map(({ key }) => key)).to.deep.equal(['new']);
  });

  it('removes nothing of a run that is created with the same id during the removal', async () => {
    await using other = await openRegistry(url);
    const removing = other.runs.remove('big');
    while ((await registry.runs.get('big')) !== undefined);
    await create('big');
    await registry.runs.saveRecord('big', {}, { key: 'new' });
    await removing;
    expect(await countOf('big')).to.equal(1);
  });
});
