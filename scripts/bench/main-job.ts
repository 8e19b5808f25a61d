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

export interface JobOptions {
  readonly url: string;
  /** If false, the job takes no checkpoints. @default true */
  readonly restore?: boolean;
  /** Runs that write no files are not recorded. @default 'off' */
  readonly record?: 'deaths' | 'off';
  /** @default no files */
  readonly output?: string;
}

/** Does the job once. Returns the time of its work in milliseconds, without the start and the end of the browser. */
export async function timeMainJob(
  registry: Registry,
  { url, restore = true, record = 'off', output }: JobOptions,
): Promise<number> {
  let elapsedMs = Number.NaN;
  const action: Action = {
    ...(gatherCatalog as unknown as Action),
    restore,
    run: async (context) => void (elapsedMs = await timeMs(async () => gatherCatalog.run(context as never))),
  };
  const run = await prepareRun(action, { url }, { registry, record, output: output ?? false });
  const { status, records } = await run.execute();
  if (status !== 'completed' || records !== JOB_PAGES * 20)
    throw new Error(`The job ended as ${status} with ${records} records.`);
  return elapsedMs;
}

/** Measures the job with checkpoints beside the job with `restore: false`. */
export function measureCheckpoints(): Promise<Row[]> {
  return compareJobs('the main job with checkpoints / without', { on: { restore: true }, off: { restore: false } });
}

/** Measures the job with `record: 'deaths'` beside the job with `record: 'off'`. */
export function measureRecorder(): Promise<Row[]> {
  const output = 'output';
  return compareJobs('the main job with the recorder / without', {
    on: { record: 'deaths', output },
    off: { record: 'off', output },
  });
}

/** Does both jobs in turns. The job `off` runs twice in each round to show the noise. `output` is relative to a temporary folder. */
async function compareJobs(
  what: string,
  { on, off }: Readonly<Record<'on' | 'off', Omit<JobOptions, 'url'>>>,
): Promise<Row[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-job-'));
  await using shop = await openJobShop();
  await using registry = await openRegistry(`sqlite:${path.join(folder, 'registry.db')}`);
  const values = { on: [] as number[], off: [] as number[], again: [] as number[] };
  const job = (list: number[], { output, ...options }: Omit<JobOptions, 'url'>) => {
    const given = { ...options, ...(output !== undefined && { output: path.join(folder, output) }) };
    return async () => void list.push(await timeMainJob(registry, { url: shop.url, ...given }));
  };
  try {
    await inTurns({ on: job(values.on, on), off: job(values.off, off), again: job(values.again, off) }, JOB_ROUNDS);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const samples = { on: toSample(values.on), off: toSample(values.off), again: toSample(values.again) };
  const ratio = samples.on.median / samples.off.median;
  const again = samples.again.median / samples.off.median;
  return [
    {
      what,
      measured: `${ratio.toFixed(3)} (A/A ${again.toFixed(3)}; ${ms(samples.on.median)} / ${ms(samples.off.median)}, ${samples.on.count} times)`,
      goal: '≤ 1.01',
      isMet: ratio <= 1.01,
    },
  ];
}
