import { expect } from 'chai';

import { openRegistry, type Registry, type SharedTransaction } from '../../src/registry/registry.ts';
import { rejectionOf } from '../support/rejection.ts';
import { describeOnBoth } from '../support/registries.ts';

const PROCESS = { host: 'here', pid: 1, identity: 'one' };
const NUMBERS = { display: null, sessions: 1, deaths: [], durationMs: 0, reused: 0, contextLosses: 0 };
const ERROR = { code: 'shard-unfinished', message: 'no such letter' };

describeOnBoth('Shards', (registries) => {
  let registry: Registry;
  let number = 0;
  let parentId: string;
  let ids: readonly [string, string];

  before(async () => {
    registry = await openRegistry(await registries.url());
  });

  after(() => registry.close());

  beforeEach(async () => {
    parentId = `parent ${(number += 1)}`;
    ids = [`${parentId}.1`, `${parentId}.2`];
    const common = { action: 'test', params: {} };
    await registry.shards.create(
      { ...common, id: parentId, owner: parentId },
      ids.map((id) => ({ ...common, id, owner: id })),
    );
  });

  const set = (id: string, status: 'completed' | 'partial' | 'failed' | 'halted' | 'timed_out' | 'cancelled') =>
    registry.runs.setStatus(id, status, ERROR);
  /** Returns the status of the parent after an attempt to end it. */
  const settle = async () => {
    await registry.shards.settle(parentId);
    const { status, endedAt } = (await registry.runs.get(parentId))!;
    expect(endedAt !== null).to.equal(!['pending', 'processing'].includes(status));
    return status;
  };
  /** Ends a run that `begin` has begun, as its process does. */
  const end = async (id: string, token: number, status: 'completed' | 'failed' | 'cancelled') => {
    const run = await registry.runs.get(id);
    const store = registry.runs.openStore(run!, {
      token,
      snapshot: () => ({ counts: run!.counts, ...NUMBERS }),
      onFailure: (error) => expect.fail(String(error)),
      onCancel: () => undefined,
    });
    await store.finish({ status, error: status === 'completed' ? null : ERROR, outputs: {} });
  };
  const statuses = async () => (await registry.shards.list(parentId)).map(({ status }) => status);

  it('have a parent that is pending until the first begins, and completed when all are', async () => {
    expect(await settle()).to.equal('pending');
    await registry.runs.begin(ids[0], { token: 1, process: PROCESS });
    expect(await settle()).to.equal('processing');
    await registry.shards.abandon(ids[0], ERROR);
    expect(await settle()).to.equal('processing');
    await set(ids[1], 'completed');
    expect(await settle()).to.equal('partial');
    expect((await registry.runs.get(parentId))?.error?.message).to.include('shard 1 is halted (no such letter)');
  });

  for (const status of ['failed', 'halted', 'timed_out', 'cancelled'] as const)
    it(`have a parent that works on while an attempt has ended as ${status} and the next one has not begun`, async () => {
      const attempt = await registry.shards.noteAttempt(ids[0]);
      await set(ids[0], status);
      await set(ids[1], 'completed');
      expect(await settle()).to.equal('processing');
      await registry.shards.abandon(ids[0], { code: 'other', message: 'later' }, attempt);
      expect(await settle()).to.equal('partial');
      expect(await statuses()).to.deep.equal([status, 'completed']);
      expect((await registry.runs.get(ids[0]))?.error).to.deep.equal(ERROR);
    });

  it('are not given up by the worker of an earlier attempt', async () => {
    const first = await registry.shards.noteAttempt(ids[0]);
    await registry.shards.noteAttempt(ids[0]);
    await set(ids[1], 'completed');
    await registry.shards.abandon(ids[0], ERROR, first);
    await registry.shards.handBack({ id: ids[0], attempt: first, error: ERROR });
    expect(await settle()).to.equal('processing');
    expect(await registry.runs.get(ids[0])).to.include({ status: 'pending', error: null, givenUpAt: null });
  });

  it('are open again when an attempt begins after they were given up', async () => {
    await registry.shards.abandon(ids[0], ERROR);
    await registry.runs.begin(ids[0], { token: 1, process: PROCESS });
    await set(ids[1], 'completed');
    expect(await registry.runs.get(ids[0])).to.include({ status: 'processing', givenUpAt: null });
    expect(await settle()).to.equal('processing');
  });

  it('end with a cancelled parent, also between two attempts', async () => {
    await set(ids[0], 'failed');
    await set(ids[1], 'completed');
    expect(await registry.runs.requestCancel(parentId)).to.equal('cancelled');
    expect(await settle()).to.equal('cancelled');
    expect(await statuses()).to.deep.equal(['cancelled', 'completed']);
  });

  it('end with a cancelled parent if an attempt does not hear of the request', async () => {
    await registry.runs.begin(ids[0], { token: 1, process: PROCESS });
    await registry.runs.begin(ids[1], { token: 1, process: PROCESS });
    expect(await registry.runs.requestCancel(parentId)).to.equal('requested');
    expect(await settle()).to.equal('processing');
    await end(ids[0], 1, 'failed');
    await end(ids[1], 1, 'completed');
    await registry.shards.settleAll();
    expect(await settle()).to.equal('cancelled');
    expect(await statuses()).to.deep.equal(['cancelled', 'completed']);
  });

  it('end alone if only they are cancelled', async () => {
    await registry.runs.begin(ids[0], { token: 1, process: PROCESS });
    await registry.runs.requestCancel(ids[0]);
    await end(ids[0], 1, 'cancelled');
    await set(ids[1], 'completed');
    expect(await settle()).to.equal('partial');
    expect(await statuses()).to.deep.equal(['cancelled', 'completed']);
  });

  it('have a parent that is ended later if the worker of the last one is lost before', async () => {
    await set(ids[0], 'completed');
    await registry.shards.settleAll();
    expect((await registry.runs.get(parentId))?.status).to.equal('processing');
    await set(ids[1], 'completed');
    await registry.shards.settleAll();
    expect(await registry.runs.get(parentId)).to.include({ status: 'completed', error: null });
  });

  it('are removed with their parent, but not while a process works on one of them', async () => {
    await registry.runs.begin(ids[0], { token: 1, process: PROCESS });
    expect(await registry.runs.remove(parentId)).to.equal(false);
    expect(await statuses()).to.deep.equal(['processing', 'pending']);
    await end(ids[0], 1, 'completed');
    expect(await registry.runs.remove(parentId)).to.equal(true);
    expect(await statuses()).to.deep.equal([]);
  });

  it('are created, reopened and handed back together with what is sent, or not at all', async () => {
    const other = { action: 'test', params: {}, id: `${parentId} other`, owner: 'other' };
    const shard = { ...other, id: `${other.id}.1` };
    const failure = new Error('The queue refuses.');
    const note = (transaction: SharedTransaction) =>
      transaction.executeSql(
        `update runs set display_done = 1, display_total = 2, display_label = 'sent' where id in ('${shard.id}', '${ids[0]}')`,
      );
    const fails = async (transaction: SharedTransaction) => {
      await note(transaction);
      throw failure;
    };
    const { shards } = registry;
    await rejectionOf(shards.create(other, [shard], (_shards, transaction) => fails(transaction)));
    expect(await registry.runs.get(other.id)).to.equal(undefined);
    await set(ids[0], 'failed');
    await rejectionOf(shards.reopen(parentId, (_shards, transaction) => fails(transaction)));
    await rejectionOf(shards.handBack({ id: ids[0], attempt: 0 }, fails));
    expect(await statuses()).to.deep.equal(['failed', 'pending']);
    await shards.handBack({ id: ids[0], attempt: 0 }, async (transaction) => void (await note(transaction)));
    await shards.create(other, [shard], async (_shards, transaction) => void (await note(transaction)));
    const sent = [...(await shards.list(parentId)), ...(await shards.list(other.id))];
    expect(sent.map(({ display, status }) => [display?.label, status])).to.deep.equal([
      ['sent', 'pending'],
      [undefined, 'pending'],
      ['sent', 'pending'],
    ]);
  });

  it('are open again after a resume, except those that are completed', async () => {
    await registry.shards.abandon(ids[0], ERROR);
    await set(ids[1], 'completed');
    await settle();
    const open = await registry.shards.reopen(parentId);
    expect(open.map(({ id, givenUpAt }) => ({ id, givenUpAt }))).to.deep.equal([{ id: ids[0], givenUpAt: null }]);
    expect(await settle()).to.equal('processing');
  });
});
