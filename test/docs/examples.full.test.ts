import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import { expect } from 'chai';
import { isAction } from '../../src/runs/runs.ts';
import { runAction, type Action } from 'webdriver-supervisor';
import { NaturalSite } from '../fixtures/natural/site/natural-site.ts';
import { openFaultSite } from 'webdriver-supervisor/testing';

const run = promisify(execFile);

describe('README and docs', () => {
  let folder: string;
  let examples: Map<string, string>;

  before(async () => {
    const pages = (await readdir('docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
    const texts = await Promise.all(['README.md', ...pages].map((file) => readFile(file, 'utf8')));
    const text = texts.join('\n');
    examples = new Map(
      [...text.matchAll(/```ts\n\/\/ file: (\S+)\n([\s\S]*?)```/g)].map(([, file = '', code = '']) => [file, code]),
    );
    // The folder is inside the package, so that the examples can import the package by its name.
    folder = await mkdtemp(path.join('test', 'docs', 'examples-'));
  });

  after(() => rm(folder, { recursive: true }));

  it('has an action that saves the title of each page', async () => {
    const file = path.join(folder, 'titles.ts');
    await writeFile(file, examples.get('actions/titles.ts') ?? '');
    const { default: action } = (await import(path.resolve(file))) as { default: unknown };
    expect(isAction(action)).to.equal(true);
    await using site = await openFaultSite();
    const outcome = await runAction(
      action as Action,
      { url: site.url, paths: ['/ok', '/slow?ms=1'] },
      { output: folder },
    );
    expect(outcome).to.include({ status: 'completed', records: 2 });
    expect(await readFile(outcome.outputs['records']!, 'utf8')).to.equal(
      '{"path":"/ok","title":"ok"}\n{"path":"/slow?ms=1","title":"slow"}\n',
    );
  });

  it('has an action that orders each item once', async () => {
    const file = path.join(folder, 'order.ts');
    await writeFile(file, examples.get('actions/order.ts') ?? '');
    const { default: action } = (await import(path.resolve(file))) as { default: Action };
    await using site = await NaturalSite.open();
    const outcome = await runAction(action, { url: site.url }, { output: false });
    expect(outcome).to.include({ status: 'completed', records: 2, error: null });
    expect(site.effects.orders.map(({ item }) => item)).to.deep.equal(['drum', 'globe']);
  });

  it('has a working example of SessionSupervisor', async () => {
    const file = path.join(folder, 'supervised.ts');
    await writeFile(file, examples.get('supervised.ts') ?? '');
    const { stdout } = await run(process.execPath, ['--conditions=webdriver-supervisor:source', file]);
    expect(stdout).to.contain('hello\n').and.to.contain('done: 3');
  });

  it('has a Mocha suite that continues with a new session after a death', async () => {
    const file = path.join(folder, 'pages.test.ts');
    const death = "it('dies', () => driver.get('chrome://crash').catch(() => undefined));\n\n";
    await writeFile(file, (examples.get('pages.test.ts') ?? '').replace("it('has", `${death}it('has`));
    const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--timeout', '60000'];
    const { stdout } = await run(process.execPath, ['--conditions=webdriver-supervisor:source', ...mocha, file]);
    expect(stdout).to.contain('2 passing');
  });

  it('has working scripts that are supervised by one call', async () => {
    const flags = ['--conditions=webdriver-supervisor:source'];
    for (const name of ['title.ts', 'price.ts']) {
      await writeFile(path.join(folder, name), examples.get(name) ?? '');
      expect((await run(process.execPath, [...flags, path.join(folder, name)])).stdout).to.equal('hello\n');
    }
  });

  it('has working tests that are supervised by one call, or by the plug-in for Mocha', async () => {
    const files = ['title.test.ts', 'suite.test.ts', 'cart.test.ts', 'shop.test.ts'].map((name) =>
      path.join(folder, name),
    );
    for (const file of files) await writeFile(file, examples.get(path.basename(file)) ?? '');
    const flags = ['--conditions=webdriver-supervisor:source'];
    const mocha = [
      'node_modules/mocha/bin/mocha.js',
      '--no-config',
      '--timeout',
      '60000',
      '--require',
      './src/mocha.ts',
    ];
    const suite = await run(process.execPath, [...flags, ...mocha, ...files.slice(0, 3)]);
    expect(suite.stdout).to.contain('3 passing');
    const { stdout } = await run(process.execPath, [...flags, '--test', '--test-reporter=tap', ...files.slice(3)]);
    expect(stdout).to.contain('# pass 1');
  });

  it('has a working example of the session of an owner', async () => {
    const file = path.resolve(folder, 'owners.ts');
    await writeFile(file, examples.get('owners.ts') ?? '');
    const flags = ['--conditions=webdriver-supervisor:source'];
    const { stdout } = await run(process.execPath, [...flags, file], { cwd: folder });
    expect(stdout).to.equal('hello 1\n');
  });
});
