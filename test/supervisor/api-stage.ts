import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';

import type { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { startSettled } from '../support/start-settled.ts';

export interface ApiStage {
  readonly site: FaultSite;
  readonly browser: SessionSupervisor;
  /** The address of a site that answers as {@link answer} does. */
  readonly own: string;
  answer: (request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * Provides the tests of a suite with a real browser without cookies on a page, and with two sites. The returned object is filled before the
 * first test.
 */
export function useApiStage(): ApiStage {
  const stage = {} as { -readonly [Key in keyof ApiStage]: ApiStage[Key] };
  const ownSite = createServer((request, response) => stage.answer(request, response));

  before(async function () {
    this.timeout(60_000);
    stage.site = await openFaultSite();
    await new Promise<void>((resolve) => ownSite.listen(0, '127.0.0.1', resolve));
    stage.own = `http://127.0.0.1:${(ownSite.address() as AddressInfo).port}`;
    stage.browser = await startSettled();
  });

  beforeEach(async () => {
    await stage.browser.driver.get(`${stage.site.url}/ok`);
    await stage.browser.driver.manage().deleteAllCookies();
  });

  after(async () => {
    await stage.browser.stop();
    await stage.site.close();
    ownSite.closeAllConnections();
    await new Promise((resolve) => ownSite.close(resolve));
  });

  return stage;
}
