import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as elapse } from 'node:timers/promises';

import { expect } from 'chai';
import { killProcess, listProcesses } from 'webdriver-supervisor/testing';

import { openRegistry } from '../../src/registry/registry.ts';
import { SessionManager } from '../../src/sessions/sessions.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnSqlite } from '../support/registries.ts';
import { makeTestConfig } from '../support/scripted-run.ts';
import { Holder } from './support/holder.ts';

/** KILLS=12 is thorough. */
const KILLS = Number(process.env['KILLS'] ?? 6);
/** The approximate time of a start. The kills are spread over it. */
const START_MS = 700;

describeOnSqlite('A start that is killed together with its watchdog at any moment', (registries) => {
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('wds-'));
  const processes = () =>
    listProcesses().filter(({ command, state }) => command.includes(`${tmpdir()}/wds-`) && !/[ZX]/.test(state));

  for (let number = 0; number < KILLS; number += 1) {
    const delayMs = Math.round((number * START_MS) / KILLS);
    it(`leaves nothing after the next command (${delayMs} ms after its claim)`, async () => {
      const registryUrl = await registries.url();
      await using registry = await openRegistry(registryUrl);
      await using holder = Holder.start({ registryUrl, owner: 'ann' });
      const session = await eventually(async () => (await registry.sessions.list())[0], 'the claim');
      // The test is about the moment of the kill.
      await elapse(delayMs);
      const watchdogs = listProcesses().filter(({ command }) => command.includes(`watchdog ${tmpdir()}`));
      for (const { pid } of watchdogs) killProcess(pid);
      await holder.end();
      await using manager = await SessionManager.open({ registry, config: makeTestConfig() });
      expect(await manager.count({ status: ['starting', 'active'] })).to.equal(0);
      expect(processes().map(({ command }) => command)).to.deep.equal([]);
      expect(folders()).to.deep.equal([]);
      expect(await registry.sessions.get(session.id)).to.include({ status: 'expired' });
    }).timeout(30_000);
  }
});
