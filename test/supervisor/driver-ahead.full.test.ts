import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { isAlive, killProcess, leftovers, newLeftovers, waitUntilGone } from 'webdriver-supervisor/testing';
import { endLeftFolders, endLeftProcesses, listProcesses } from '../../src/driver/driver.ts';
import { SessionSupervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { startChildScript } from '../support/child-script.ts';
import { LogWatch } from '../support/log-watch.ts';

const PROGRAM = 'recovering-program.ts';
const WAITS = 'waits for the next session';

/** Starts a supervisor, and waits until a driver waits for its next session. */
async function startWithDriver(options: SupervisorOptions = {}) {
  const watch = new LogWatch();
  const supervisor = await SessionSupervisor.start({ ...options, log: watch.log });
  const waiting = async () => Number((await watch.next(WAITS)).pid);
  return { supervisor, waiting, pid: await waiting() };
}

async function killBrowser(supervisor: SessionSupervisor): Promise<void> {
  const halted = once(supervisor.signal, 'abort');
  killProcess(supervisor.pids.browser!);
  await halted;
}

describe('SessionSupervisor: the driver of the next session, on a real browser', () => {
  it('is started ahead, is used by the next session, and is followed by another one', async () => {
    const { supervisor, waiting, pid } = await startWithDriver();
    await using _ = supervisor;
    expect(isAlive(pid)).to.equal(true);
    expect(pid).not.to.equal(supervisor.pids.driver);
    const next = waiting();
    await killBrowser(supervisor);
    await supervisor.restart();
    expect(supervisor.pids.driver).to.equal(pid);
    await supervisor.driver.get('data:text/html,<title>next</title>');
    expect(await supervisor.driver.getTitle()).to.equal('next');
    expect(await next).not.to.equal(pid);
  });

  it('is replaced by a plain start if it was killed', async () => {
    const { supervisor, pid } = await startWithDriver();
    await using _ = supervisor;
    killProcess(pid);
    await killBrowser(supervisor);
    await supervisor.restart();
    expect(supervisor.pids.driver).not.to.equal(pid);
    expect(await supervisor.driver.getTitle()).to.equal('');
  });

  it('is left neither by stop() nor by a death without a restart before it', async () => {
    const before = leftovers();
    const { supervisor, pid } = await startWithDriver();
    await killBrowser(supervisor);
    expect(isAlive(pid)).to.equal(true);
    await supervisor.stop();
    expect(isAlive(pid)).to.equal(false);
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  it('does not outlive its program, and does not keep it alive', async () => {
    const before = leftovers();
    await using killed = startChildScript(PROGRAM);
    const { waiting } = JSON.parse(await killed.nextLine()) as { waiting: number };
    expect(isAlive(waiting)).to.equal(true);
    await killed.kill();
    await waitUntilGone([waiting]);

    // It ends by itself although it never stops its supervisor, whose session has died.
    await using forgetful = startChildScript(PROGRAM, 'forget');
    const facts = JSON.parse(await forgetful.nextLine()) as { waiting: number };
    await waitUntilGone([forgetful.pid, facts.waiting]);
    await waitUntilGone(newLeftovers(before).processes.map(({ pid }) => pid));
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  it('is removed by another program if its program and the watchdogs were killed', async () => {
    const before = leftovers();
    await using killed = startChildScript(PROGRAM);
    const { waiting } = JSON.parse(await killed.nextLine()) as { waiting: number };
    const { folders } = newLeftovers(before);
    expect(await endLeftFolders(), 'while its program runs').to.equal(0);
    const watchdogs = listProcesses().filter(({ command }) =>
      folders.some((folder) => command.includes(`watchdog ${folder}`)),
    );
    expect(watchdogs).to.have.length(2);
    for (const { pid } of watchdogs) killProcess(pid);
    await killed.kill();
    expect(isAlive(waiting)).to.equal(true);
    expect(await endLeftFolders()).to.equal(1);
    await waitUntilGone([waiting]);
    // A registry would know the folder of the session itself.
    const [folder = ''] = folders.filter((one) => existsSync(one));
    await endLeftProcesses({ driverPid: null, folder });
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });
});
