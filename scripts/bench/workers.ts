/** Measures how much faster three workers are than one, if the site and not this machine is the limit. */
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../src/registry/registry.ts';
import { endWorker, enqueueLetters, startWorker } from '../../test/faults/fleet/chaos.ts';
import { eventually } from '../../test/support/eventually.ts';
import { TestPostgres } from '../../test/support/postgres.ts';
import type { Row } from './measure.ts';

const SHARDS = 30;
const STEP_MS = 200;
const GOAL = 0.45;
const LIMIT_MS = 300_000;

/** The time is that from the first shard's begin to the last one's end, so that the start of the programs does not count. */
export async function measureWorkers(): Promise<Row[]> {
  await using postgres = await TestPostgres.start();
  await using server = await openScriptedWebDriver();
  const one = await timeWorkers(1, postgres, server.url);
  const three = await timeWorkers(3, postgres, server.url);
  const ratio = three / one;
  return [
    {
      what: `three workers / one, ${SHARDS} shards`,
      measured: `${ratio.toFixed(2)} (${(three / 1_000).toFixed(1)} s / ${(one / 1_000).toFixed(1)} s)`,
      goal: `≤ ${GOAL}`,
      isMet: ratio <= GOAL,
    },
  ];
}

async function timeWorkers(number: number, postgres: TestPostgres, gridUrl: string): Promise<number> {
  const url = await postgres.createDatabase();
  await using registry = await openRegistry(url);
  const parentId = await enqueueLetters({ url, registry, shards: SHARDS, stepMs: STEP_MS });
  const workers = Array.from({ length: number }, () => startWorker(url, gridUrl));
  try {
    const { startedAt, endedAt } = await eventually(
      async () => {
        const run = await registry.runs.get(parentId);
        return run !== undefined && run.endedAt !== null ? run : undefined;
      },
      'the end of the run',
      LIMIT_MS,
    );
    return Date.parse(endedAt ?? '') - Date.parse(startedAt ?? '');
  } finally {
    await Promise.all(workers.map(endWorker));
  }
}
