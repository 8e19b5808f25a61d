import { expect } from 'chai';

import type { Registry, RunStore } from '../../src/registry/registry.ts';

const COUNTS = { total: 0, queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, skipped: 0 };

/** A run of its own, `run`, begun under token 1, and what its store is told that can't be kept. */
export async function openRunStore(registry: Registry): Promise<{ store: RunStore; failures: Error[] }> {
  await registry.runs.create({ id: 'run', action: 'test', params: {}, owner: 'run' });
  const run = await registry.runs.begin('run', { token: 1, process: { host: 'here', pid: 1, identity: 'one' } });
  const failures: Error[] = [];
  const store = registry.runs.openStore(run, {
    token: 1,
    snapshot: () => ({
      counts: COUNTS,
      display: null,
      sessions: 1,
      reused: 0,
      contextLosses: 0,
      deaths: [],
      durationMs: 0,
    }),
    onFailure: (error) => failures.push(error),
    onCancel: () => undefined,
  });
  return { store, failures };
}

/** Ends the step of this order, with a record. */
export function endStep(store: RunStore, order: number): Promise<unknown> {
  const key = `${order}`;
  const records = [{ dataset: 'records', key, json: '{}' }];
  return store.endStep({ batch: null, key }, { status: 'done', value: key, records }, order);
}

/** So many steps, and the records of each, are there, once. */
export async function expectAllOnce(registry: Registry, store: RunStore, count: number): Promise<void> {
  const steps = await store.loadSteps();
  expect(steps.map(({ order, status }) => [order, status])).to.deep.equal(
    Array.from({ length: count }, (_unused, order) => [order, 'done']),
  );
  expect(await Array.fromAsync(store.listRecords())).to.have.length(count);
  expect(store.recordCount).to.equal(count);
  expect(await registry.runs.get('run')).to.include({ records: count });
}
