import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leftovers, newLeftovers } from '../../src/testing/leftovers.ts';
import { killProcess, waitUntilGone } from '../../src/testing/processes.ts';
import { startRealDriver } from '../support/real-driver.ts';

describe('leftovers', () => {
  it('lists the folder, the driver and the whole browser of a live session, and nothing afterwards', async () => {
    const before = leftovers();
    {
      await using driver = await startRealDriver();
      const { browserPid } = await driver.openSession();
      const { processes, folders } = newLeftovers(before);
      expect(folders).to.have.length(1);
      const pids = processes.map(({ pid }) => pid);
      expect(pids).to.include.members([driver.pid, browserPid]);
      expect(processes.filter(({ command }) => command.includes('--type=renderer'))).not.to.have.length(0);
    }
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  it('finds an orphan by its TMPDIR and a watchdog by its command line', async () => {
    const before = leftovers();
    const folder = mkdtempSync(join(tmpdir(), 'wds-'));
    const env = { ...process.env, TMPDIR: folder };
    const shell = spawn('sh', ['-c', 'sleep 600 & echo $!'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const watchdog = spawn('sh', ['-c', `cat >/dev/null; : ${folder}`], { stdio: ['pipe', 'ignore', 'inherit'] });
    const [line] = await once(shell.stdout, 'data');
    if (shell.exitCode === null) await once(shell, 'exit');
    const orphan = Number(line);
    expect(newLeftovers(before).processes.map(({ pid }) => pid)).to.include.members([orphan, watchdog.pid]);
    killProcess(orphan);
    watchdog.stdin.end();
    await once(watchdog, 'exit');
    await waitUntilGone([orphan]);
    expect(newLeftovers(before)).to.deep.equal({ processes: [], folders: [folder] });
    rmSync(folder, { recursive: true });
  });
});
