import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { makeFolder, runCli } from './cli.ts';

interface Listed {
  readonly name: string;
  readonly error?: string;
  readonly parameters?: { readonly properties: object };
}

describe('actions', () => {
  it('lists names, descriptions and parameters', async () => {
    const { code, stdout } = await runCli(['actions']);
    expect(stdout)
      .to.match(/^gather-catalog {2}\S/m)
      .and.match(/--url\s<url>/);
    expect(code).to.equal(0);
  });

  it('reports a broken module in its row and lists the others', async () => {
    using folder = makeFolder();
    mkdirSync(path.join(folder.path, 'actions'));
    writeFileSync(path.join(folder.path, 'actions', 'broken.mjs'), 'export default {;');
    writeFileSync(path.join(folder.path, 'actions', 'loud.mjs'), 'console.log("hello"); export default 1;');
    const { code, stdout, stderr } = await runCli(['actions'], { cwd: folder.path });
    expect(stdout).to.match(/^broken +can't be loaded: actions\/broken\.mjs:1:17: syntax error/m);
    expect(stdout)
      .to.match(/^loud +can't be loaded:.*not an action/m)
      .and.match(/^gather-catalog/m);
    expect(stderr).to.equal('hello\n');
    expect(code).to.equal(0);
  });

  it('prints one line of JSON with JSON Schemas for programs', async () => {
    const { stdout } = await runCli(['actions', '--json']);
    const listed = JSON.parse(stdout) as Listed[];
    expect(stdout.trimEnd()).to.not.include('\n');
    const catalog = listed.find(({ name }) => name === 'gather-catalog');
    expect(catalog?.parameters?.properties).to.have.property('url');
  });
});

describe('new', () => {
  it('writes an action and its test, and prints the next command', async () => {
    using folder = makeFolder();
    const { code, stdout } = await runCli(['new', 'gather-prices'], { cwd: folder.path });
    expect(stdout).to.include('actions/gather-prices.ts').and.include('test/actions/gather-prices.test.ts');
    expect(stdout).to.include('webdriver-supervisor run gather-prices --url https://example.com/');
    const action = readFileSync(path.join(folder.path, 'actions/gather-prices.ts'), 'utf8');
    expect(action).to.include("name: 'gather-prices'");
    expect(code).to.equal(0);
  });

  for (const type of ['commonjs', 'module']) {
    it(`prints how to test the action in a project of type ${type}`, async () => {
      using folder = makeFolder();
      writeFileSync(path.join(folder.path, 'package.json'), JSON.stringify({ type }));
      const { stdout } = await runCli(['new', 'mine'], { cwd: folder.path });
      expect(stdout.includes('npm pkg set type=module && ')).to.equal(type === 'commonjs');
      expect(stdout).to.contain('npx mocha test/actions/mine.test.ts');
    });
  }

  it('never overwrites a file', async () => {
    using folder = makeFolder();
    await runCli(['new', 'mine'], { cwd: folder.path });
    const { code, stderr } = await runCli(['new', 'mine'], { cwd: folder.path });
    expect(stderr).to.equal('error: actions/mine.ts exists already and is not overwritten. Choose another name.\n');
    expect(code).to.equal(2);
  });

  it('refuses a bad name and suggests a good one', async () => {
    using folder = makeFolder();
    const { code, stderr } = await runCli(['new', 'GatherPrices'], { cwd: folder.path });
    expect(stderr)
      .to.include('"GatherPrices" is not a valid name')
      .and.include('Try webdriver-supervisor new gather-prices');
    expect(code).to.equal(2);
  });
});

describe('doctor', () => {
  it('reports each check as good on a complete machine', async () => {
    const { code, stdout } = await runCli(['doctor']);
    for (const name of [
      'Node',
      'settings',
      'browser',
      'driver',
      'fit',
      'start',
      'temp folder',
      'processes',
      'system',
    ]) {
      expect(stdout).to.match(new RegExp(`^ok +${name} `, 'm'));
    }
    expect(stdout).to.match(/Ready to run\.\n$/);
    expect(code).to.equal(0);
  });
});
