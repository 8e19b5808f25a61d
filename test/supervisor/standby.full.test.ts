import { once } from 'node:events';
import { expect } from 'chai';
import {
  isAlive,
  killProcess,
  leftovers,
  newLeftovers,
  openFaultSite,
  waitUntilGone,
} from 'webdriver-supervisor/testing';
import { endLeftFolders, endLeftProcesses, listProcesses } from '../../src/driver/driver.ts';
import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { startChildScript } from '../support/child-script.ts';
import { LogWatch } from '../support/log-watch.ts';

const WAITS = 'waits for its promotion';

async function killBrowser(supervisor: SessionSupervisor): Promise<void> {
  const halted = once(supervisor.signal, 'abort');
  killProcess(supervisor.pids.browser!);
  await halted;
}

describe('SessionSupervisor: the standby, on a real browser', () => {
  it('becomes the next session, with the state of the dead one; killed before, it is replaced by a plain start', async () => {
    const before = leftovers();
    await using site = await openFaultSite();
    const watch = new LogWatch();
    const supervisor = await SessionSupervisor.start({ standby: true, log: watch.log });
    const standby = Number((await watch.next(WAITS, 0))['browser']);
    await supervisor.driver.get(`${site.url}/ok`);
    await supervisor.driver.manage().addCookie({ name: 'login', value: 'ann' });
    await supervisor.driver.executeScript(`localStorage.setItem('cart', 'bread')`);
    await supervisor.checkpoint();
    const from = watch.lines.length;
    await killBrowser(supervisor);
    await supervisor.restart();
    expect(supervisor.pids.browser).to.equal(standby);
    expect(await supervisor.driver.executeScript(`return localStorage.getItem('cart')`)).to.equal('bread');
    expect(await supervisor.driver.getCurrentUrl()).to.equal(`${site.url}/ok`);
    expect((await supervisor.driver.manage().getCookie('login'))?.value).to.equal('ann');

    const second = Number((await watch.next(WAITS, from))['browser']);
    const died = watch.next('The standby has died');
    killProcess(second);
    await died;
    await killBrowser(supervisor);
    await supervisor.restart();
    expect(supervisor.pids.browser).not.to.equal(second);
    expect(await supervisor.driver.getCurrentUrl()).to.equal(`${site.url}/ok`);
    await supervisor.stop();
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  it('leaves nothing if the program is killed, nor, after the next clean-up, if its watchdogs are killed too', async () => {
    const before = leftovers();
    await using killed = startChildScript('recovering-program.ts', 'standby');
    await killed.nextLine();
    const family = newLeftovers(before).processes.map(({ pid }) => pid);
    await killed.kill();
    await waitUntilGone(family);

    await using unguarded = startChildScript('recovering-program.ts', 'standby');
    const { waiting } = JSON.parse(await unguarded.nextLine()) as { waiting: number };
    const { folders } = newLeftovers(before);
    const watchdogs = listProcesses().filter(({ command }) =>
      folders.some((folder) => command.includes(`watchdog ${folder}`)),
    );
    expect(watchdogs).to.have.length(2);
    for (const { pid } of watchdogs) killProcess(pid);
    await unguarded.kill();
    expect(isAlive(waiting)).to.equal(true);
    expect(await endLeftFolders()).to.equal(1);
    await waitUntilGone([waiting]);
    // A registry would know the folder of the session itself.
    for (const folder of newLeftovers(before).folders) await endLeftProcesses({ driverPid: null, folder });
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });
});
