import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { itInNamespaces, OWN_MOUNTS } from '../../support/namespaces.ts';
import { CLI, cleanEnvironment, makeFakeBrowser, ROOT, runCli, STACK_LINE } from '../cli.ts';
import { makeWrappers } from './version-wrappers.ts';

/** Runs doctor by a shell command that ends with `doctor`. Returns its output. */
async function doctorUnder(program: string, ...args: readonly string[]): Promise<string> {
  const doctor = [process.execPath, ...CLI, 'doctor'].join(' ');
  const words = args.map((arg) => arg.replace('doctor', doctor));
  const { stdout } = await promisify(execFile)(program, words, { cwd: ROOT, env: cleanEnvironment() }).catch(
    (thrown: { stdout: string }) => thrown,
  );
  return stdout.replaceAll(/\s+/g, ' ');
}

describe('doctor: a browser that does not start', () => {
  it('reports why a browser does not start', async () => {
    const environment = { HEADLESS: 'false', DISPLAY: '', WAYLAND_DISPLAY: '' };
    const { code, stdout } = await runCli(['doctor'], { environment });
    expect(stdout).to.match(/^problem +start +The browser could not be started: there is no display/m);
    expect(code).to.equal(1);
  });

  it('reports that the limit of open files is too low', async () => {
    const said = await doctorUnder('/bin/sh', '-c', 'ulimit -n 64; exec doctor');
    expect(said).to.match(/problem start .*limit of open files is too low.*ulimit -n 4096/);
  });

  itInNamespaces(OWN_MOUNTS)('reports that the temporary folder is full, before it starts a browser', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'full-'));
    try {
      const line = `mount -t tmpfs -o size=64k none ${folder} && TMPDIR=${folder} exec doctor`;
      const said = await doctorUnder('unshare', ...OWN_MOUNTS, '/bin/sh', '-c', line);
      expect(said).to.match(/problem temp folder .*has only 0 MB free/);
      expect(said).not.to.match(/ start /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('doctor: problems', () => {
  const PROBLEMS: readonly { title: string; environment: Record<string, string>; name: string; says: string }[] = [
    { title: 'a setting', environment: { HEADLESS: 'maybe' }, name: 'settings', says: 'HEADLESS' },
    { title: 'a browser', environment: { CHROME_BINARY: '/nowhere' }, name: 'browser', says: 'does not exist' },
    { title: 'a Grid', environment: { GRID_URL: 'http://127.0.0.1:2' }, name: 'Grid', says: 'ECONNREFUSED' },
    { title: 'a temp folder', environment: { TMPDIR: '/nowhere' }, name: 'temp folder', says: 'TMPDIR' },
  ];
  for (const { title, environment, name, says } of PROBLEMS) {
    it(`ends with 1, and names the problem and the way out: ${title}`, async () => {
      const { code, stdout, stderr } = await runCli(['doctor', '--json'], { environment });
      const results = JSON.parse(stdout) as { name: string; status: string; message: string; advice: string }[];
      const problem = results.find(({ status }) => status === 'problem');
      expect(problem?.name).to.equal(name);
      expect(`${problem?.message} ${problem?.advice}`).to.include(says);
      expect(stderr).to.not.match(STACK_LINE);
      expect(code).to.equal(1);
    });
  }

  it('names both versions if they do not match', async () => {
    using browser = makeFakeBrowser({ driver: '120.0.9.9' });
    const { code, stdout } = await runCli(['doctor', '--json'], { environment: browser.environment });
    expect(stdout).to.include('is 150.0.1.2, but the driver').and.include('is 120.0.9.9');
    expect(code).to.equal(1);
  });

  it('reads versions with the variables of BROWSER_ENVIRONMENT', async () => {
    await using wrappers = await makeWrappers();
    const { stdout } = await runCli(['doctor'], { environment: wrappers.environment });
    expect(stdout.replaceAll(/\s+/g, ' ')).to.contain('is 156.0').and.contain('is 155.0');
  });
});
