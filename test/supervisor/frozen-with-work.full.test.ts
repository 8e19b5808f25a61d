import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

import { expect } from 'chai';
import { freeze, openFaultSite, unfreeze, type FaultSite } from 'webdriver-supervisor/testing';
import { SessionSupervisor, type SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { localBrowser } from '../driver/support/local-browser.ts';

const NOTICED_WITHIN_MS = 3_000;

/** Starts a session with the default heartbeat. */
async function startSession(options: SupervisorOptions = {}): Promise<SessionSupervisor> {
  const { driverPath, browserPath } = await localBrowser();
  const supervisor = await SessionSupervisor.start({ driverPath, browserPath, ...options });
  await supervisor.driver.manage().setTimeouts({ script: 60_000 });
  return supervisor;
}

/** Freezes a process and returns the time until the halt in milliseconds. */
async function timeToHalt(supervisor: SessionSupervisor, process: 'browser' | 'driver'): Promise<number> {
  const halted = once(supervisor.signal, 'abort');
  await freeze(supervisor.pids[process]!);
  const startedAt = performance.now();
  await halted;
  return performance.now() - startedAt;
}

describe('A frozen session with work in flight, on a real browser (R101, R103)', () => {
  let site: FaultSite;

  before(async () => {
    site = await openFaultSite();
  });

  after(() => site.close());

  for (const frozen of ['browser', 'driver'] as const) {
    it(`is dead within 3 s if its ${frozen} is frozen while a command is in flight`, async () => {
      await using supervisor = await startSession();
      await supervisor.driver.get(`${site.url}/ok`);
      const command = supervisor.driver.executeAsyncScript(`fetch('/json?n=7')`).catch((error: unknown) => error);
      await site.waitForRequest(/n=7/);
      expect(await timeToHalt(supervisor, frozen)).to.be.below(NOTICED_WITHIN_MS);
      expect(supervisor.health.death).to.include({ cause: 'frozen', detectedBy: 'heartbeat' });
      expect(await command).to.equal(supervisor.signal.reason);
    });
  }

  it('is dead within 3 s if its browser is frozen while only API calls are in flight', async () => {
    await using supervisor = await startSession();
    const calls = [1, 2, 3].map(() => supervisor.api.json(`${site.url}/never`).catch((error: unknown) => error));
    await site.waitForRequest(/never/);
    expect(await timeToHalt(supervisor, 'browser')).to.be.below(NOTICED_WITHIN_MS);
    for (const call of calls) expect(await call).to.equal(supervisor.signal.reason);
  });

  it('is alive if its browser is frozen for longer than that, and the time limit of the user is longer (invariant 3)', async () => {
    await using supervisor = await startSession({ heartbeatTimeoutMs: 10_000 });
    await supervisor.driver.get(`${site.url}/ok`);
    const command = supervisor.driver.executeAsyncScript(
      `fetch('/json?n=8').then(() => setTimeout(arguments[0], 1000, 'done'))`,
    );
    await site.waitForRequest(/n=8/);
    const browser = supervisor.pids.browser!;
    await freeze(browser);
    await wait(NOTICED_WITHIN_MS + 500);
    unfreeze(browser);
    expect(await command).to.equal('done');
    expect(supervisor.state).to.equal('alive');
  });
});
