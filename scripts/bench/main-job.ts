/** The main job of the benchmarks: `gather-catalog` on the demo shop. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import gatherCatalog from '../../actions/gather-catalog.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { prepareRun, type Action } from '../../src/runs/runs.ts';
import { openDemoShop, type DemoShop } from '../demo-shop/demo-shop.ts';
import { inTurns, ms, timeMs, toSample, type Row } from './measure.ts';

const JOB_PAGES = 10;
export const JOB_ROUNDS = 15;
/** The number of steps and items: one step per page, and one item for each of its 20 products. */
export const JOB_STEPS = JOB_PAGES * 21;

export function openJobShop(): Promise<DemoShop> {
  return openDemoShop({ pages: JOB_PAGES, tooManyRequestsEvery: 0 });
}

/** Does the job once. Returns the time of its work in milliseconds, without the start and the end of the browser. */
export async function timeMainJob(
  registry: Registry,
  { url, restore = true }: { readonly url: string; readonly restore?: boolean },
): Promise<number> {
  let elapsedMs = Number.NaN;
  const action: Action = {
    ...(gatherCatalog as unknown as Action),
    restore,
    run: async (context) => void (elapsedMs = await timeMs(async () => gatherCatalog.run(context as never))),
  };
  const { status, records } = await (await prepareRun(action, { url }, { registry, output: false })).execute();
  if (status !== 'completed' || records !== JOB_PAGES * 20)
    throw new Error(`The job ended as ${status} with ${records} records.`);
  return elapsedMs;
}

/** Measures the job with checkpoints beside the job with `restore: false`. The latter runs twice to show the noise. */
export async function measureCheckpoints(): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-checkpoints-'));
  await using shop = await openJobShop();
  await using registry = await openRegistry(`sqlite:${path.join(folder, 'registry.db')}`);
  const values = { on: [] as number[], off: [] as number[], again: [] as number[] };
  const job = (list: number[], restore: boolean) => async () =>
    void list.push(await timeMainJob(registry, { url: shop.url, restore }));
  try {
    await inTurns(
      { on: job(values.on, true), off: job(values.off, false), again: job(values.again, false) },
      JOB_ROUNDS,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
  const [on, off, again] = [toSample(values.on), toSample(values.off), toSample(values.again)];
  const ratio = on.median / off.median;
  return [
    {
      what: 'the main job with checkpoints / without',
      measured: `${ratio.toFixed(3)} (A/A ${(again.median / off.median).toFixed(3)}; ${ms(on.median)} / ${ms(off.median)}, ${on.count} times)`,
      goal: '≤ 1.01',
      isMet: ratio <= 1.01,
    },
  ];
}
