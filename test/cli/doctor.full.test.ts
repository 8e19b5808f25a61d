import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { itInNamespaces, OWN_MOUNTS } from '../support/namespaces.ts';
import { CLI, cleanEnvironment, ROOT, runCli } from './cli.ts';

/** Runs doctor below a shell line, which ends with `doctor`; resolves with what it prints. */
async function doctorUnder(program: string, ...args: readonly string[]): Promise<string> {
  const doctor = [process.execPath, ...CLI, 'doctor'].join(' ');
  const words = args.map((arg) => arg.replace('doctor', doctor));
  const { stdout } = await promisify(execFile)(program, words, { cwd: ROOT, env: cleanEnvironment() }).catch(
    (thrown: { stdout: string }) => thrown,
  );
  return stdout.replaceAll(/\s+/g, ' ');
}

describe('doctor: a browser that does not start', () => {
  it('says why a browser does not start', async () => {
    const environment = { HEADLESS: 'false', DISPLAY: '', WAYLAND_DISPLAY: '' };
    const { code, stdout } = await runCli(['doctor'], { environment });
    expect(stdout).to.match(/^problem +start +The browser could not be started: there is no display/m);
    expect(code).to.equal(1);
  });

  it('says that too few files may be open', async () => {
    const said = await doctorUnder('/bin/sh', '-c', 'ulimit -n 64; exec doctor');
    expect(said).to.match(/problem start .*limit of open files is too low.*ulimit -n 4096/);
  });

  itInNamespaces(OWN_MOUNTS)('says that the temporary folder is full, before it starts one', async () => {
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
