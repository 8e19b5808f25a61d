import { expect } from 'chai';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnBoth } from '../support/registries.ts';

const PROCESS = { host: 'here', pid: 1 };
const LONG_MS = 60_000;

describeOnBoth('Leadership', (registries) => {
  let registry: Registry;
  let office: string;
  let number = 0;

  before(async () => {
    registry = await openRegistry(await registries.url());
  });

  after(() => registry.close());

  beforeEach(() => {
    office = `office ${(number += 1)}`;
  });

  const stand = (holder: string, leaseMs = LONG_MS) =>
    registry.leadership.acquire(office, { holder, process: PROCESS, leaseMs });

  it('has one leader if many programs acquire it at once (R402)', async () => {
    const names = Array.from({ length: 20 }, (_unused, index) => `monitor ${index}`);
    const leaders = await Promise.all(names.map((name) => stand(name)));
    expect(new Set(leaders.map(({ holder }) => holder)).size).to.equal(1);
  });

  it('stays with its leader, which may renew it, and has the time at which it began', async () => {
    const first = await stand('a');
    expect(await stand('b')).to.deep.equal(first);
    expect(await stand('a')).to.deep.equal(first);
    expect(await registry.leadership.current(office)).to.deep.equal(first);
  });

  it('passes to another program at once after a release, and after the lease if its leader is silent', async () => {
    await stand('a');
    await registry.leadership.release(office, 'b');
    expect(await stand('b')).to.include({ holder: 'a' });
    await registry.leadership.release(office, 'a');
    expect(await stand('b', 1)).to.include({ holder: 'b' });
    await eventually(async () => (await registry.leadership.current(office)) === undefined, 'the lease runs out');
    expect(await stand('c')).to.include({ holder: 'c' });
  });
});
