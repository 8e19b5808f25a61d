import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { makeFolder, runCli, type Folder } from '../../cli.ts';

const RISKY = `import { defineAction, z } from 'webdriver-supervisor';
export default defineAction({ name: 'risky', description: 'Adds up.', params: z.object({}),
  async run({ step, save }) {
    const rows: string[] = [];
    let count = 0;
    await step('a', () => { rows.push('x'); });
    await step('b', () => { count += 1; });
    await save({ rows, count }, { key: 'all' });
  },
});
`;

function makeActions(files: Readonly<Record<string, string>>): Folder {
  const folder = makeFolder();
  mkdirSync(path.join(folder.path, 'actions'));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder.path, 'actions', name), text);
  return folder;
}

describe('run', () => {
  it('prints each warning about the source once, before the session starts, and runs the action', async () => {
    using folder = makeActions({ 'risky.ts': RISKY });
    await using server = await openScriptedWebDriver();
    const options = { cwd: folder.path, environment: { REGISTRY_URL: 'sqlite:registry.db', LOG_FORMAT: 'json' } };
    const { code, stdout, stderr } = await runCli(['run', 'risky', '--grid', server.url], options);
    const lines = stderr.trim().split('\n');
    const messages = lines.map((line) => JSON.parse(line) as { level: string; message: string });
    expect(messages.slice(0, 2).map(({ level, message }) => `${level} ${message.split(',')[0]}`)).to.deep.equal([
      'warn actions/risky.ts:6: The step "a" changes `rows`',
      'warn actions/risky.ts:7: The step "b" changes `count`',
    ]);
    expect(stderr.match(/risky\.ts:6:/g)).to.have.length(1);
    expect(stdout).to.match(/^risky completed/);
    expect(code).to.equal(0);
  });

  it('prints no warning for an action that comes with the program', async () => {
    const { stderr } = await runCli([
      'run',
      'snapshot',
      '--urls',
      'http://127.0.0.1:2/',
      '--grid',
      'http://127.0.0.1:2',
    ]);
    expect(stderr).to.not.include('snapshot.ts').and.not.include('ExperimentalWarning');
  });
});

describe('actions', () => {
  it('shows the number of warnings of an action and the first one', async () => {
    using folder = makeActions({ 'risky.ts': RISKY });
    const { code, stdout, stderr } = await runCli(['actions'], { cwd: folder.path });
    expect(stdout.replace(/\s+/g, ' ')).to.include(
      'Adds up. 2 warnings: actions/risky.ts:6: The step "a" changes `rows`',
    );
    expect(stdout)
      .to.not.include('risky.ts:7')
      .and.not.match(/warning.*snapshot\.ts/);
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
  });

  it('lists the warnings of each action in its JSON', async () => {
    using folder = makeActions({ 'risky.ts': RISKY });
    const { stdout } = await runCli(['actions', '--json'], { cwd: folder.path });
    const listed = JSON.parse(stdout) as { name: string; warnings: { rule: string; file: string; line: number }[] }[];
    const risky = listed.find(({ name }) => name === 'risky');
    expect(risky?.warnings.map(({ rule, file, line }) => ({ rule, file, line }))).to.deep.equal([
      { rule: 'outer-variable', file: 'actions/risky.ts', line: 6 },
      { rule: 'outer-variable', file: 'actions/risky.ts', line: 7 },
    ]);
    for (const { name, warnings } of listed) if (name !== 'risky') expect(warnings).to.deep.equal([]);
  });
});

describe('new', () => {
  it('writes an action that gives no warning', async () => {
    using folder = makeFolder();
    await runCli(['new', 'gather-prices'], { cwd: folder.path });
    const { stdout } = await runCli(['actions', '--json'], { cwd: folder.path });
    const listed = JSON.parse(stdout) as { name: string; error?: string; warnings: unknown[] }[];
    const made = listed.find(({ name }) => name === 'gather-prices');
    expect(made).to.include({ name: 'gather-prices' }).and.have.property('warnings').that.deep.equals([]);
    expect(made).to.not.have.property('error');
  });
});
