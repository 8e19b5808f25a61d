import { expect } from 'chai';

import { openRegistry, type Claim, type Registry } from '../../src/registry/registry.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { describeOnBoth } from '../support/registries.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const FACTS = { webdriverId: 'w', driverPid: 2, browserPid: 3, folder: '/tmp/x', endpoint: undefined };
const DEATH = { cause: 'browser-gone', detectedBy: 'process-exit' };
const ENDED = { status: 'ended' } as const;

describeOnBoth('SessionLeases: creates in quick succession', (registries) => {
  let url: string;
  let registry: Registry;
  let number = 0;
  let owner: string;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
  });

  after(() => registry.close());

  beforeEach(() => {
    owner = `owner ${(number += 1)}`;
  });

  const claim = async (parts: Partial<Claim> = {}) => {
    const id = `session ${(number += 1)}`;
    const answer = await registry.leases.claim({
      id,
      owner,
      holder: 'me',
      process: PROCESS,
      leaseMs: 60_000,
      ...parts,
    });
    if (!answer.isClaimed) throw new Error(`The owner is held by ${answer.heldBy.id}.`);
    return answer;
  };

  it('counts a second create within ten seconds, and not the next session after a death (R306)', async () => {
    const rapid = async () => (await registry.metrics.read()).rapidCreates;
    const before = await rapid();
    const first = await claim();
    expect(first.isRapid).to.equal(false);
    const { id } = await registry.leases.succeed(first.session.id, 'me', { death: DEATH, nextId: `next ${owner}` });
    expect(await rapid()).to.equal(before);
    await registry.leases.activate(id, 'me', FACTS);
    await registry.leases.release(id, 'me', ENDED);
    const second = await claim();
    expect(second.isRapid).to.equal(true);
    expect(await rapid()).to.equal(before + 1);
  });

  it('does not count a create after a death, or after a holder that vanished (R306)', async () => {
    const { session: first } = await claim();
    await registry.leases.release(first.id, 'me', { status: 'dead', death: DEATH });
    const second = await claim({ leaseMs: 1 });
    expect(second.isRapid).to.equal(false);
    const third = await claim({ goneIds: [second.session.id] });
    expect(third.isRapid).to.equal(false);
  });

  it('does not count a create by which a stopped run is resumed at once', async () => {
    const runId = owner;
    for (const owned of [runId, `${runId}#2`]) {
      const { session } = await claim({ owner: owned, runId });
      await registry.leases.release(session.id, 'me', ENDED);
      expect((await claim({ owner: owned, runId })).isRapid).to.equal(false);
    }
  });

  it('does not count a create more than ten seconds after the previous one', async () => {
    const {
      session: { id },
    } = await claim();
    await registry.leases.release(id, 'me', ENDED);
    const then = literal(new Date(Date.now() - 10_500).toISOString());
    await rawSql(url, `update sessions set created_at = ${then} where id = ${literal(id)}`);
    expect((await claim()).isRapid).to.equal(false);
  });
});
