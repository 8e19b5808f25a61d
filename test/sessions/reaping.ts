import { existsSync } from 'node:fs';

import { expect } from 'chai';
import { descendantsOf, isAlive, killProcess, listProcesses, waitUntilGone } from 'webdriver-supervisor/testing';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { SessionManager } from '../../src/sessions/sessions.ts';
import type { TestRegistries } from '../support/registries.ts';
import { makeTestConfig } from '../support/scripted-run.ts';
import { Holder } from './support/holder.ts';

/** Describes the leftovers of a process that died together with the watchdog that would have removed them. */
export function describeReaping(registries: TestRegistries): void {
  let registryUrl: string;
  let registry: Registry;

  beforeEach(async () => {
    registryUrl = await registries.url();
    registry = await openRegistry(registryUrl);
  });

  afterEach(() => registry.close());

  const openManager = () => SessionManager.open({ registry, config: makeTestConfig() });

  /** Kills a holder together with its watchdog, so that only the next process can remove its leftovers. */
  const abandon = async () => {
    await using holder = Holder.start({ registryUrl, owner: 'ann' });
    const { got, folder, driver } = await holder.nextOf('got');
    const watchdogs = listProcesses().filter(
      ({ command }) => command.includes('webdriver-supervisor-watchdog') && command.includes(folder!),
    );
    expect(watchdogs).to.have.length(1);
    killProcess(watchdogs[0]!.pid);
    await waitUntilGone([watchdogs[0]!.pid]);
    const family = [driver!, ...descendantsOf(driver!).map(({ pid }) => pid)];
    await holder.end();
    expect(isAlive(driver!), 'the driver outlives its program').to.equal(true);
    return { id: got[0]!, folder: folder!, family };
  };

  it('are removed when the next manager is opened: browser, driver, folder and row (invariant 6)', async () => {
    const { id, folder, family } = await abandon();
    await using stranger = Holder.start({ registryUrl, owner: 'bob' });
    const bob = await stranger.nextOf('got');
    await using manager = await openManager();
    await waitUntilGone(family);
    expect(existsSync(folder)).to.equal(false);
    expect(await registry.sessions.get(id)).to.include({ status: 'expired' });
    // Nothing of a live process is changed.
    expect(isAlive(bob.driver!)).to.equal(true);
    expect(existsSync(bob.folder!)).to.equal(true);
    expect(await manager.count({ status: 'active' })).to.equal(1);
    await stranger.end('SIGTERM');
  }).timeout(60_000);

  it('delay no caller: the owner is taken over at once, long before the lease expires', async () => {
    await using manager = await openManager();
    const { id, folder, family } = await abandon();
    await using taken = await manager.acquire('ann');
    expect(taken.supervisor.state).to.equal('alive');
    await waitUntilGone(family);
    expect(existsSync(folder)).to.equal(false);
    expect(await registry.sessions.get(id)).to.include({ status: 'expired' });
    await taken.end();
  }).timeout(60_000);
}
