import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { cp, mkdtempDisposable, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { buffer } from 'node:stream/consumers';

const FILES = ['package.json', 'package-lock.json', '.npmrc', 'scripts'];

/** Makes a copy of the project without node_modules. Its set-up finds the machine's own Node and not that of this repository. */
async function makeClone() {
  const folder = await mkdtempDisposable(join(tmpdir(), 'clone-'));
  for (const file of FILES) await cp(file, join(folder.path, file), { recursive: true });
  const PATH = (process.env.PATH ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'));
  return { path: folder.path, PATH: PATH.join(delimiter), [Symbol.asyncDispose]: () => folder.remove() };
}

async function runSetup({ path, PATH }: { path: string; PATH: string }) {
  const child = spawn('node', ['scripts/setup.mjs', '--no-browser'], { cwd: path, env: { ...process.env, PATH } });
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [status, stdout, stderr] = await Promise.all([exited, buffer(child.stdout), buffer(child.stderr)]);
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

describe('setup: a fresh clone', () => {
  it('installs once if two set-ups start at once, and has nothing to do afterwards', async () => {
    await using clone = await makeClone();
    const results = await Promise.all([runSetup(clone), runSetup(clone)]);
    expect(results.map(({ status }) => status)).to.deep.equal([0, 0]);
    const said = results.map(({ stderr }) => stderr).sort();
    expect(said[0]).to.match(/^Another set-up \(process \d+\) is installing; waiting for it\.\n$/);
    expect(said[1]).to.equal('Installing the dependencies with npm ci; this takes up to a few minutes.\n');
    expect(await readdir(join(clone.path, '.supervisor'))).to.deep.equal([]);
    expect(await runSetup(clone)).to.deep.equal({ status: 0, stdout: '', stderr: '' });

    await rm(join(clone.path, 'node_modules', '.bin', 'node'));
    const { status, stderr } = await runSetup(clone);
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: said[1] });
  });
});
