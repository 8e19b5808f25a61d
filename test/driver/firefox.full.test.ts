import { expect } from 'chai';
import { freeze, killProcess, leftovers, newLeftovers, waitUntilGone } from 'webdriver-supervisor/testing';

import type { SessionTarget } from '../../src/driver/session-target.ts';
import { requireFirefox } from '../support/firefox.ts';
import { openSession } from './support/sessions.ts';

describe('BrowserSession with a Firefox of this machine', () => {
  let target: Extract<SessionTarget, { kind: 'own' }>;

  before(async function () {
    target = await requireFirefox(this);
  });

  const openFirefox = () => openSession(target, { browser: { browserName: 'firefox' } });

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

  it('reports that its driver was killed', async () => {
    await using s = await openFirefox();
    killProcess(s.session.driverProcess!.pid);
    expect((await s.died).cause).to.equal('driver-gone');
  });

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
