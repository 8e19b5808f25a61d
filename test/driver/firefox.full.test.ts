import { expect } from 'chai';
import {
  freeze,
  killProcess,
  leftovers,
  newLeftovers,
  strikeSession,
  waitUntilGone,
} from 'webdriver-supervisor/testing';

import type { SessionTarget } from '../../src/driver/session-target.ts';
import { requireFirefox } from '../support/firefox.ts';
import { expectNothingAfter } from './support/ended-program.ts';
import { openSession } from './support/sessions.ts';

describe('BrowserSession with a Firefox of this machine', () => {
  let target: Extract<SessionTarget, { kind: 'own' }>;

  before(async function () {
    target = await requireFirefox(this);
  });

  const openFirefox = () => openSession(target, { browser: { browserName: 'firefox' } });
  const strike = (fault: 'quit-elsewhere' | 'tab-crashed', { session }: Awaited<ReturnType<typeof openFirefox>>) =>
    strikeSession(fault, {
      pids: { driver: session.driverProcess?.pid, browser: session.browserPid },
      sessionId: session.id,
      endpointUrl: session.endpointUrl,
    });

  it('leaves no process and no folder after its stop', async () => {
    const before = leftovers();
    const s = await openFirefox();
    await s.driver.get('data:text/html,<title>here</title>');
    expect(await s.driver.getTitle()).to.equal('here');
    const { pid, folder } = s.session.driverProcess!;
    const pids = [pid, s.session.browserPid!];
    await s.session.stop();
    await waitUntilGone(pids);
    expect(newLeftovers(before).folders).not.to.include(folder);
    expect(s.deaths).to.deep.equal([]);
  });

  it('reports that its browser was killed, while idle', async () => {
    await using s = await openFirefox();
    killProcess(s.session.browserPid!);
    expect((await s.died).cause).to.equal('browser-gone');
  });

  it("leaves no process and no folder within 2 s of the program's end by kill -9", async () => {
    await expectNothingAfter('stay', { signal: 'SIGKILL', browserName: 'firefox' });
  });

  it('reports that its driver was killed', async () => {
    await using s = await openFirefox();
    killProcess(s.session.driverProcess!.pid);
    expect((await s.died).cause).to.equal('driver-gone');
  });

  for (const [fault, cause] of [
    ['quit-elsewhere', 'session-removed'],
    ['tab-crashed', 'tab-crashed'],
  ] as const) {
    it(`reports ${cause} after the fault ${fault}, while commands are sent`, async () => {
      await using s = await openFirefox();
      const sending = (async () => {
        for (;;) await s.driver.getTitle();
      })().catch(() => undefined);
      await strike(fault, s);
      expect((await s.died).cause).to.equal(cause);
      await sending;
    });
  }

  for (const program of ['browser', 'driver'] as const) {
    it(`detects a frozen ${program} by a probe, while idle`, async () => {
      await using s = await openFirefox();
      await freeze(program === 'browser' ? s.session.browserPid! : s.session.driverProcess!.pid);
      await s.session.probe('heartbeat');
      expect((await s.died).cause).to.equal('frozen');
    });
  }

  it('takes the silence of geckodriver during a command for no death, unless a process is stopped', async () => {
    await using s = await openFirefox();
    const script = s.driver.executeAsyncScript('setTimeout(arguments[0], 5000)');
    script.catch(() => undefined);
    await s.session.probe('heartbeat');
    expect(s.deaths).to.deep.equal([]);
    await freeze(s.session.browserPid!);
    await s.session.probe('heartbeat');
    expect(s.deaths.map(({ cause }) => cause)).to.deep.equal(['frozen']);
  });
});
