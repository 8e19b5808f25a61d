import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { leftovers, openFaultSite, waitUntilGone, type FaultSite } from 'webdriver-supervisor/testing';
import { eventually } from '../support/eventually.ts';

const FLAGS = ['--conditions=webdriver-supervisor:source', '--disable-warning=ExperimentalWarning'];
const MOCHA = ['node_modules/mocha/bin/mocha.js', '--no-config', '--timeout=10000', '--require=./src/mocha.ts'];
const PROGRAMS = path.relative('', path.join(import.meta.dirname, 'programs'));
const programs = (...names: string[]) => names.map((name) => path.join(PROGRAMS, name));
const LINE =
  /^webdriver-supervisor: the browser died during the test "(.*?)" \(browser-gone, noticed by .*attempt 2\.$/gm;

/** The tests that a report says were run again. */
const reported = (report: string) => [...report.matchAll(LINE)].map(([, test]) => test);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('Existing code whose browser is killed', () => {
  let site: FaultSite;
  let failures: string;

  before(async () => {
    site = await openFaultSite();
    failures = await mkdtemp(path.join(tmpdir(), 'failures-'));
  });

  afterEach(() => expect(leftovers()).to.deep.equal({ processes: [], folders: [] }));

  after(async () => {
    await site.close();
    await rm(failures, { recursive: true });
  });

  const environment = () => ({ ...process.env, SITE_URL: site.url, FAILURES_DIR: failures });
  const run = (...args: string[]) =>
    new Promise<Ended>((resolve) => {
      execFile(process.execPath, [...FLAGS, ...args], { env: environment() }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });

  it('is run again by the plug-in for mocha and by supervised, and a test that fails leaves its files', async () => {
    const files = programs('cart.spec.ts', 'other.spec.ts', 'plain.spec.ts', 'supervised.spec.ts');
    const { code, stdout, stderr } = await run(...MOCHA, ...files);
    expect(stdout, stderr).to.contain('6 passing').and.to.contain('4 failing').and.to.contain('at attempt 1');
    expect(code).to.equal(4);
    expect(reported(stderr)).to.deep.equal(['the cart survives its browser', 'the shop survives its browser']);
    const folder = path.join(failures, PROGRAMS, 'cart.spec.ts', 'the-cart-fails-by-itself');
    expect(stdout).to.contain(`page and console are in ${folder}.`);
    expect(stdout.match(/console are in/g), 'of the tests that fail with a browser of the plug-in').to.have.length(2);
    expect(existsSync(path.join(folder, 'screenshot.png'))).to.equal(true);
    expect(await readFile(path.join(folder, 'console.txt'), 'utf8')).to.match(/^SEVERE .*"no cart"\n$/);
    const page = JSON.parse(await readFile(path.join(folder, 'page.json'), 'utf8')) as object;
    expect(page).to.deep.include({ title: 'ok', url: new URL('/ok', site.url).href, missing: [] });
    await rm(folder, { recursive: true });
  });

  it('is run again by the plug-in in mocha’s parallel mode', async () => {
    const files = programs('cart.spec.ts', 'plain.spec.ts');
    const { code, stdout, stderr } = await run(...MOCHA, '--parallel', '--jobs', '2', ...files);
    expect(stdout, stderr).to.contain('4 passing').and.to.contain('2 failing').and.to.contain('console are in');
    expect(code).to.equal(2);
    expect(reported(stderr)).to.deep.equal(['the cart survives its browser']);
  });

  it('is run again by supervised in node:test', async () => {
    const { code, stdout } = await run('--test', '--test-reporter=tap', ...programs('supervised.spec.ts'));
    expect(stdout)
      .to.match(/^# pass 1$/m)
      .and.to.match(/^# fail 1$/m)
      .and.to.contain('at attempt 1');
    expect(code).to.equal(1);
    expect(reported(stdout.replaceAll(/^# ?/gm, ''))).to.deep.equal(['the shop > survives its browser']);
  });

  it('is run again by supervise', async () => {
    const { code, stdout, stderr } = await run(...programs('script.ts'));
    expect(stdout, stderr).to.equal('data:,\nbrowser-gone before attempt 2\ndata:,\nok at attempt 2\n');
    expect(code).to.equal(0);
  });

  it('leaves nothing behind when Ctrl+C ends it', async () => {
    const child = spawn(process.execPath, [...FLAGS, ...programs('script.ts'), 'wait'], {
      env: environment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    const pids = leftovers().processes.map(({ pid }) => pid);
    expect(pids).not.to.deep.equal([]);
    child.kill('SIGINT');
    expect(await exit).to.deep.equal([null, 'SIGINT']);
    await waitUntilGone(pids);
    await eventually(async () => leftovers().folders.length === 0, 'the end of the folders');
  });
});
