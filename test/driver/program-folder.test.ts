import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { isAlive, waitUntilGone } from 'webdriver-supervisor/testing';
import { endLeftFolders, nameProgram, temporaryRoot } from '../../src/driver/program-folder.ts';
import { thisProcess } from '../../src/driver/process-identity.ts';

/** Writes the identity of a program that has the pid of this process and started at another time. */
function nameGoneProgram(folder: string, host = thisProcess().host): void {
  const { pid, identity } = thisProcess();
  writeFileSync(path.join(folder, 'program'), `${host}\n${pid}\n${identity}0`);
}

describe('Folders that name their program', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(temporaryRoot(), 'wds-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('are removed, with the processes in them, if that program is certain to be gone', async () => {
    nameGoneProgram(folder);
    const child = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'], TMPDIR: folder } });
    await once(child, 'spawn');
    expect(await endLeftFolders()).to.equal(1);
    expect(existsSync(folder)).to.equal(false);
    await waitUntilGone([child.pid!]);
  });

  it('stay while that program runs, if it ran on another machine, and if they name none', async () => {
    const child = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'], TMPDIR: folder } });
    await once(child, 'spawn');
    try {
      expect(await endLeftFolders()).to.equal(0);
      nameGoneProgram(folder, 'another-machine');
      expect(await endLeftFolders()).to.equal(0);
      nameProgram(folder);
      expect(await endLeftFolders()).to.equal(0);
      expect([existsSync(folder), isAlive(child.pid!)]).to.deep.equal([true, true]);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
});
