import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { expect } from 'chai';

import type { RunOutcome } from '../../../src/runs/runs.ts';
import { descendantsOf, findBrowserProcess, killProcess } from '../../../src/testing.ts';
import { makeFolder, openSite, runCli, startCli } from '../cli.ts';

const PAGES = 'test/fixtures/actions/pages.ts';
const FAULTY = 'test/fixtures/actions/faulty.ts';

/** Without a trace of the signal if the busy driver has removed the dead browser from the process table. */
const WAS_KILLED = /The browser was (ended from outside|killed or crashed)/g;

function killBrowserOf(pid: number): void {
  const drivers = descendantsOf(pid).filter(({ command }) => command.includes('chromedriver'));
  // The driver of the next session has no browser yet.
  const browser = drivers.map((driver) => findBrowserProcess(driver.pid)).find((found) => found !== undefined);
  if (browser === undefined) throw new Error('No browser is running.');
  killProcess(browser.pid);
}

describe('run', function () {
  this.timeout(60_000);

  it('prints the outcome as one line of JSON, last, and nothing else on stdout', async () => {
    await using site = await openSite();
    using output = makeFolder();
    const args = ['--url', site.url, '--pages=2', '--mode', 'heading', '--label', 'a', '--label', 'b', '--no-strict'];
    const { code, stdout, stderr } = await runCli(['run', PAGES, ...args, '--json', '--output', output.path]);
    expect(stdout.trimEnd().split('\n')).to.have.length(1);
    const outcome = JSON.parse(stdout) as RunOutcome;
    expect(outcome).to.include({ action: 'pages', status: 'completed', records: 2, error: null });
    expect(outcome.counts).to.deep.equal({ total: 2, done: 2, failed: 0, cancelled: 0, skipped: 0 });
    expect(await readFile(path.join(output.path, 'records.jsonl'), 'utf8')).to.equal(
      '{"number":1,"text":"/1","label":["a","b"]}\n{"number":2,"text":"/2","label":["a","b"]}\n',
    );
    expect(stderr).to.match(/^pages completed after [\d.]+ s: 2 records, 1 browser session\.$/m);
    expect(code).to.equal(0);
  });

  it('ends with a readable summary: counts that add up, the files and the next command', async () => {
    await using site = await openSite();
    using output = makeFolder();
    const { code, stdout } = await runCli(['run', PAGES, '--url', site.url, '--output', output.path, '--format=csv']);
    const file = path.join(output.path, 'records.csv');
    expect(stdout).to.match(/^pages completed after [\d.]+ s: 3 records, 1 browser session\.\n/);
    expect(stdout).to.include('  steps      3 = 3 done\n').and.include(`  data       ${file}\n`);
    expect(stdout).to.include(`  next       head -n 3 ${file}\n`);
    expect(code).to.equal(0);
  });

  it('continues after its browser was killed, and prints that', async () => {
    await using site = await openSite();
    using output = makeFolder();
    const args = ['run', PAGES, '--url', site.url, '--pages', '3', '--pause-ms', '400', '--output', output.path];
    await using cli = startCli(args);
    await site.visited('/2');
    killBrowserOf(cli.pid);
    const { code, stdout, stderr } = await cli.result;
    expect(stdout)
      .to.match(/^ {2}deaths {5}survived 1 death: browser-gone( \(ended-from-outside\))? ×1$/m)
      .and.include('  steps      3 = 3 done\n');
    expect(stderr.match(WAS_KILLED)).to.have.length(1);
    expect(stderr).to.include('the run continues on a new session');
    expect(code).to.equal(0);
  });

  it('begins the summary with the root cause and its evidence if a death ended the run', async () => {
    await using site = await openSite();
    using output = makeFolder();
    const args = ['run', PAGES, '--url', site.url, '--pause-ms', '5000', '--no-recover', '--output', output.path];
    await using cli = startCli(args);
    await site.visited('/1');
    killBrowserOf(cli.pid);
    const { code, stdout, stderr } = await cli.result;
    const [first] = stdout.split('\n');
    expect(first).to.match(
      /^The browser was .* \(browser-gone, noticed by \w+\) at 20.+Z, 0 of 1 done(: .*SIGKILL.*)?\.$/,
    );
    expect(stdout)
      .to.include(`  page       ${site.url}1\n`)
      .and.match(/^ {2}commands {3}POST \//m);
    expect(stdout).to.match(/^ {2}recording {2}\S+\/deaths\/1\/report\.html$/m);
    expect(stdout).to.match(/^ {2}symptoms {3}work ended by it: \d+ queued, \d+ under way; \d+ refused afterwards$/m);
    expect(stdout)
      .to.match(/^pages was halted after/m)
      .and.include('  steps      1 = 0 done + 1 cancelled\n');
    expect(stdout).to.match(/^ {2}next .* --resume \d{8}-\d{6}-[\da-f]{6} {3}\(does the remaining work\)$/m);
    expect(stderr.match(WAS_KILLED)).to.have.length(1);
    expect(code).to.equal(3);
  });

  it('prints the console output of an action to stderr', async () => {
    using output = makeFolder();
    const { stdout, stderr } = await runCli(['run', FAULTY, '--how', 'chatty', '--output', output.path]);
    expect(stderr).to.include('a word on stdout');
    expect(stdout).to.not.include('a word on stdout');
  });
});
