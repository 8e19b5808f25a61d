import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';

import { checkActionFile, findWarningOfCall, type SourceWarning } from '../../src/analysis/analysis.ts';

/** Steps with an odd number change a variable around them. Steps with an even number do not. */
const ACTION = `import { helper, Gatherer } from './helper.ts';
interface Context { readonly step: (key: string, work: () => unknown) => Promise<unknown>; readonly rows: string[] }
export async function run(ctx: Context, { rows: given }: { rows: readonly string[] } = { rows: [] }): Promise<string[]> {
  const { step, step: renamed }: Context = ctx;
  const rows: string[] = [...given];
  const once = (key: string, work: () => unknown) => step(key, work);
  const later = async (key: string, work: () => unknown) => {
    await Promise.resolve();
    return step(key, work);
  };
  ctx.step('1', () => rows.push('x')).catch(() => undefined);
  ctx.step('2', () => 1).catch(() => undefined);
  await step('3', async (): Promise<void> => {
    rows.push('x');
  });
  await Promise.resolve();
  await step('4', () => 1);
  await renamed('5', () => rows.push('x'));
  await ctx
    .step('6', () => 1);
  await ctx
    .step('7', () => rows.push('x'));
  await step('8', () => 1); await step('9', () => rows.push('x'));
  await once('11', () => rows.push('x'));
  await once('12', () => 1);
  await later('13', () => rows.push('x'));
  await later('14', () => 1);
  await helper(ctx, rows);
  const gatherer = new Gatherer(ctx);
  await gatherer.gather();
  await Promise.all(['19'].map(async (key) => step(key, () => rows.push('x'))));
  await step('21', async () => {
    await Promise.resolve();
    rows.push('x');
    await step('22', () => 1);
  });
  return [...rows, ...gatherer.rows];
}
export default { run };
`;

const HELPER = `export async function helper({ step }: any, list: string[]): Promise<void> {
  await step('15', () => { list.push('x'); });
  await Promise.resolve();
  await step('16', () => 1);
}
export class Gatherer {
  rows: string[] = [];
  constructor(readonly_: any) {
    this.ctx = readonly_;
  }
  ctx: any;
  async gather(): Promise<void> {
    await this.ctx.step('17', () => this.rows.push('x'));
    await this.ctx.step('18', () => 1);
  }
}
`;

describe('findWarningOfCall', () => {
  let folder: string;
  let warnings: readonly SourceWarning[];

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'warning-of-call-'));
    await writeFile(path.join(folder, 'a.ts'), ACTION);
    await writeFile(path.join(folder, 'helper.ts'), HELPER);
    warnings = await checkActionFile(path.join(folder, 'a.ts'));
  });

  after(() => rm(folder, { recursive: true }));

  for (const query of ['', '?entry=2']) {
    it(`finds the warning of each step with one, and none for others${query && ', in a module with a query'}`, async () => {
      const stacks = new Map<string, string>();
      const module = (await import(pathToFileURL(path.join(folder, 'a.ts')).href + query)) as {
        run: (context: object) => Promise<void>;
      };
      const step = async (key: string, work: () => unknown) => {
        stacks.set(key, new Error().stack ?? '');
        return work();
      };
      await module.run({ step });
      const matched = [...stacks].map(([key, stack]) => [key, findWarningOfCall(warnings, stack)?.rule ?? 'none']);
      const expected = [...stacks.keys()].map((key) => [key, Number(key) % 2 === 1 ? 'outer-variable' : 'none']);
      expect(matched).to.deep.equal(expected);
      expect(matched.length).to.equal(20);
    });
  }

  it('distinguishes the call of a nested step from that of the step around it', () => {
    const warning = warnings.find(({ call }) => call !== null)!;
    const { file, line, column } = warning.call!;
    const library = new URL('../../src/runs/steps/steps.ts', import.meta.url).href;
    const author = pathToFileURL(file).href;
    const frames = (...locations: string[]) =>
      ['Error', ...locations.map((location) => `    at name (${location})`)].join('\n');
    const stack = frames(`${library}:1:1`, `${author}:999:1`, `${library}:2:2`, `${author}:${line}:${column}`);
    expect(findWarningOfCall(warnings, stack)).to.equal(undefined);
    expect(findWarningOfCall(warnings, frames(`${library}:1:1`, `${author}:${line}:${column}`))).to.equal(warning);
  });

  it('finds nothing without a stack, without warnings, or in a stack without files', () => {
    expect(findWarningOfCall(warnings, undefined)).to.equal(undefined);
    expect(findWarningOfCall([], new Error().stack)).to.equal(undefined);
    expect(findWarningOfCall(warnings, 'Error\n    at Array.map (<anonymous>)\n    at node:internal/x:1:1')).to.equal(
      undefined,
    );
  });
});
