import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { makeFakeBrowser, makeFolder, runCli, STACK_LINE } from './cli.ts';

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

  it('tells of a broken module in its row and lists the others', async () => {
    using folder = makeFolder();
    mkdirSync(path.join(folder.path, 'actions'));
    writeFileSync(path.join(folder.path, 'actions', 'broken.mjs'), 'export default {;');
    writeFileSync(path.join(folder.path, 'actions', 'loud.mjs'), 'console.log("hello"); export default 1;');
    const { code, stdout, stderr } = await runCli(['actions'], { cwd: folder.path });
    expect(stdout).to.match(/^broken +can't be loaded: actions\/broken\.mjs:1:17: syntax error/m);
    expect(stdout)
      .to.match(/^loud +can't be loaded:.*no action/m)
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
  it('writes an action and its test, and says what to type next', async () => {
    using folder = makeFolder();
    const { code, stdout } = await runCli(['new', 'gather-prices'], { cwd: folder.path });
    expect(stdout).to.include('actions/gather-prices.ts').and.include('test/actions/gather-prices.test.ts');
    expect(stdout).to.include('webdriver-supervisor run gather-prices --url https://example.com/');
    const action = readFileSync(path.join(folder.path, 'actions/gather-prices.ts'), 'utf8');
    expect(action).to.include("name: 'gather-prices'");
    expect(code).to.equal(0);
  });

  it('writes over nothing', async () => {
    using folder = makeFolder();
    await runCli(['new', 'mine'], { cwd: folder.path });
    const { code, stderr } = await runCli(['new', 'mine'], { cwd: folder.path });
    expect(stderr).to.equal('error: actions/mine.ts is there already and is not written over. Choose another name.\n');
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
  it('is content with a machine that has all, and says so for each thing', async () => {
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

  const PROBLEMS: readonly { title: string; environment: Record<string, string>; name: string; says: string }[] = [
    { title: 'a setting', environment: { HEADLESS: 'maybe' }, name: 'settings', says: 'HEADLESS' },
    { title: 'a browser', environment: { CHROME_BINARY: '/nowhere' }, name: 'browser', says: 'does not exist' },
    { title: 'a Grid', environment: { GRID_URL: 'http://127.0.0.1:2' }, name: 'Grid', says: 'ECONNREFUSED' },
    { title: 'a temp folder', environment: { TMPDIR: '/nowhere' }, name: 'temp folder', says: 'TMPDIR' },
  ];
  for (const { title, environment, name, says } of PROBLEMS) {
    it(`ends with 1, naming what is wrong and what to do: ${title}`, async () => {
      const { code, stdout, stderr } = await runCli(['doctor', '--json'], { environment });
      const results = JSON.parse(stdout) as { name: string; status: string; message: string; advice: string }[];
      const problem = results.find(({ status }) => status === 'problem');
      expect(problem?.name).to.equal(name);
      expect(`${problem?.message} ${problem?.advice}`).to.include(says);
      expect(stderr).to.not.match(STACK_LINE);
      expect(code).to.equal(1);
    });
  }

  it('names both versions when they do not fit', async () => {
    using browser = makeFakeBrowser({ driver: '120.0.9.9' });
    const { code, stdout } = await runCli(['doctor', '--json'], { environment: browser.environment });
    expect(stdout).to.include('is 150.0.1.2, but the driver').and.include('is 120.0.9.9');
    expect(code).to.equal(1);
  });
});
