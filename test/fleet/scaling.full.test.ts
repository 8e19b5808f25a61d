import { readFileSync } from 'node:fs';

import { expect } from 'chai';
import { z } from 'webdriver-supervisor';
import { parse } from 'yaml';

import { DEFAULT_QUEUE } from '../../src/fleet/fleet.ts';
import { FleetStage, lettersAction, withClient } from './shards.ts';

const scaling = z.object({
  spec: z.object({ triggers: z.tuple([z.object({ metadata: z.object({ query: z.string() }) })]) }),
});

describe('the query that scales workers in Kubernetes', () => {
  const [{ metadata }] = scaling.parse(parse(readFileSync('config/kubernetes/worker-scaling.yml', 'utf8'))).spec
    .triggers;

  let stage: FleetStage;
  before(async () => {
    stage = await FleetStage.open();
  });
  after(() => stage[Symbol.asyncDispose]());

  it('counts the shards that wait, are at work or are tried again, and no other job', async () => {
    const { boss } = stage.queue;
    const count = async () => {
      const counts: unknown[] = [];
      await withClient(stage.url, async (client) => {
        const { rows } = await client.query<{ count: string }>(metadata.query);
        counts.push(...rows.map((row) => Number(row.count)));
      });
      return counts;
    };
    await stage.enqueue(
      lettersAction(() => undefined),
      'abc',
      { retries: 1 },
    );
    await stage.enqueue(
      lettersAction(() => undefined),
      'x',
      { queueName: 'other' },
    );
    expect(await count()).to.deep.equal([3]);

    const [first, second] = await boss.fetch(DEFAULT_QUEUE, { batchSize: 2 });
    expect(await count()).to.deep.equal([3]);
    await boss.fail(DEFAULT_QUEUE, first?.id ?? '');
    expect(await count()).to.deep.equal([3]);
    await boss.complete(DEFAULT_QUEUE, second?.id ?? '');
    expect(await count()).to.deep.equal([2]);
  });
});
