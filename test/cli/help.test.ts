import { expect } from 'chai';

import { COMMANDS } from '../../src/cli/terminal/command-line.ts';
import { runCli } from './cli.ts';

const PAGES = 'test/fixtures/actions/pages.ts';

describe('help', () => {
  it('lists the commands, with examples', async () => {
    const { code, stdout } = await runCli(['--help']);
    for (const name of COMMANDS) expect(stdout).to.match(new RegExp(`^ {2}${name} `, 'm'));
    expect(stdout).to.include('Examples:');
    expect(code).to.equal(0);
  });

  it('shows the flags of run, its exit codes and examples', async () => {
    for (const args of [
      ['run', '--help'],
      ['help', 'run'],
    ]) {
      const { code, stdout } = await runCli(args);
      expect(stdout).to.match(/^Usage: webdriver-supervisor run <name\|file>/);
      for (const flag of ['--owner <name>', '--no-recover', '--headed', '--format <choice>'])
        expect(stdout).to.include(flag);
      expect(stdout).to.include('130  cancelled').and.include('Examples:');
      expect(code).to.equal(0);
    }
  });

  it("shows an action's parameters with descriptions and defaults, and which are required", async () => {
    const { code, stdout } = await runCli(['run', PAGES, '--help']);
    expect(stdout).to.include('Visits the pages of a small site.');
    expect(stdout).to.match(/--url <url> +the site \(required\)/);
    expect(stdout).to.match(/--pages <number> +number of pages \(default: 3\)/);
    expect(stdout).to.match(/--mode <choice> +\(title \| heading; default: title\)/);
    expect(stdout).to.match(/--label <text> +saved with each record \(may be given several/);
    expect(stdout).to.match(/--no-strict +not: fail on an empty page/);
    expect(stdout).to.include(`run ${PAGES} --url https://example.com/`);
    expect(code).to.equal(0);
  });

  it('names npm scripts if it was called by one', async () => {
    const { stdout } = await runCli(['run', '--help'], { environment: { npm_lifecycle_event: 'action' } });
    expect(stdout).to.include('Usage: npm run action -- <name|file>').and.include('npm run actions lists');
    expect(stdout).to.not.include('webdriver-supervisor run');
  });

  it('prints its version', async () => {
    const { code, stdout } = await runCli(['--version']);
    expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    expect(code).to.equal(0);
  });
});
