import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { startChildScript } from '../../../support/child-script.ts';
import { makeFolder, type Folder } from '../../cli.ts';

interface Seen {
  readonly isAction: boolean;
  readonly seen: readonly (string | number)[];
  readonly stack: string;
  readonly location: string;
}

const ACTION = `import { defineAction, z } from 'webdriver-supervisor';
import * as packages from 'counter';
import local from './local.ts';
import old from './old.cjs';
import data from './data.json' with { type: 'json' };
let entries: number = 0;
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run(ctx: any) {
    const later = await import('./later.mjs');
    entries += 1;
    data.count += 1;
    ctx.seen.push(entries, local(), old.count(), later.count(), data.count, packages.count());
    await ctx.step('a');
    throw new TypeError('at line 14');
  },
});
`;
const COUNTER = 'let n = 0; export const count = () => (n += 1);';

describe('ActionLoader.reload', () => {
  let folder: Folder;
  let entries: Seen[];

  before(async () => {
    folder = makeFolder({
      'a.ts': ACTION,
      'local.ts': 'let n: number = 0;\nexport default (): number => (n += 1);',
      'old.cjs': 'let n = 0; exports.count = () => (n += 1);',
      'later.mjs': COUNTER,
      'data.json': '{ "count": 0 }',
    });
    const installed = path.join(folder.path, 'node_modules', 'counter');
    mkdirSync(installed, { recursive: true });
    writeFileSync(path.join(installed, 'index.js'), COUNTER);
    writeFileSync(path.join(installed, 'package.json'), '{ "name": "counter", "type": "module", "main": "index.js" }');
    await using script = startChildScript('reloaded-action.ts', path.join(folder.path, 'a.ts'));
    entries = [];
    for (let number = 0; number < 3; number += 1) entries.push(JSON.parse(await script.nextLine()) as Seen);
  });

  after(() => folder[Symbol.dispose]());

  it('resets the variables of the module and of its local files to their first values', () => {
    const counts = entries.map(({ seen }) => seen.slice(0, 5));
    expect(counts).to.deep.equal(Array.from({ length: 3 }, () => [1, 1, 1, 1, 1]));
  });

  it('does not reload packages and the library', () => {
    expect(entries.map(({ seen }) => seen[5])).to.deep.equal([1, 2, 3]);
    expect(entries.map(({ isAction }) => isAction)).to.deep.equal([true, true, true]);
  });

  it('shows plain paths in stack traces', () => {
    for (const { seen, stack, location } of entries) {
      expect(String(seen[6])).to.match(/\/a\.ts:13:15\)$/);
      expect(stack)
        .to.match(/\/a\.ts:14:11\)/)
        .and.not.include('entry=');
      expect(location).to.match(/\/a\.ts:14:11$/);
    }
  });

  it('names the plain path of a file that got a syntax error', async () => {
    using broken = makeFolder({
      'a.ts': `import { writeFileSync } from 'node:fs';
import { defineAction, z } from 'webdriver-supervisor';
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  run() {
    writeFileSync(import.meta.filename, 'const x: number = 1;\\nexport default {;');
  },
});`,
    });
    const file = path.join(broken.path, 'a.ts');
    await using script = startChildScript('reloaded-action.ts', file);
    await script.nextLine();
    const { error } = JSON.parse(await script.nextLine()) as { error: string };
    expect(error).to.include(`ConfigError: ${file}:2:17: syntax error:`).and.not.include('entry=');
  });
});
