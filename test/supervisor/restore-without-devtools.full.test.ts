import { once } from 'node:events';

import { expect } from 'chai';
import { By, PageNotRestoredError, SessionSupervisor } from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import { startDisguisedDriver } from '../support/disguised-driver.ts';
import { openStateSite } from '../support/state-site.ts';
import { rejectionOf } from './support.ts';

const SEEN = 'return JSON.parse(document.documentElement.dataset.seen)';

async function killBrowser(supervisor: SessionSupervisor): Promise<void> {
  const halted = once(supervisor.signal, 'abort');
  killProcess(supervisor.pids.browser!);
  await supervisor.checkSessionHealth();
  if (!supervisor.signal.aborted) await halted;
}

for (const [way, bidi] of [
  ['with BiDi', true],
  ['with WebDriver commands alone', false],
] as const) {
  describe(`SessionSupervisor: the state of a session without DevTools, ${way}`, () => {
    it('is restored into the next session after the browser was killed, and the page is opened when a command needs it', async () => {
      await using site = await openStateSite();
      await using driver = await startDisguisedDriver({ bidi });
      await using supervisor = await SessionSupervisor.start({
        gridUrl: driver.url,
        browserName: 'firefox',
        heartbeatIntervalMs: 3_600_000,
      });
      await supervisor.driver.get(`${site.url}/login`);
      await supervisor.driver.executeScript('localStorage.token = "t"; sessionStorage.tab = "s"');
      await supervisor.driver.get(`${site.url}/page?n=1`);
      expect(await supervisor.checkpoint()).to.equal(true);
      await killBrowser(supervisor);
      await supervisor.restart();
      const count = site.visits.length;
      expect(await supervisor.driver.getTitle()).to.equal('/page?n=1');
      expect(site.visits.slice(count)).to.deep.equal(['GET /page?n=1 id=secret; theme=dark']);
      expect(await supervisor.driver.executeScript(SEEN)).to.deep.equal([{ token: 't' }, { tab: 's' }]);
    });

    it('makes a command fail that needs a page which may have changed since the last capture', async () => {
      await using site = await openStateSite();
      await using driver = await startDisguisedDriver({ bidi });
      await using supervisor = await SessionSupervisor.start({
        gridUrl: driver.url,
        browserName: 'firefox',
        heartbeatIntervalMs: 3_600_000,
      });
      await supervisor.driver.get(`${site.url}/page`);
      await supervisor.checkpoint();
      await supervisor.driver.findElement(By.id('more')).click();
      await killBrowser(supervisor);
      await supervisor.restart();
      expect(await rejectionOf(supervisor.driver.getTitle())).to.be.instanceOf(PageNotRestoredError);
      await supervisor.driver.get(`${site.url}/page`);
      expect(await supervisor.driver.getTitle()).to.equal('/page');
    });
  });
}
