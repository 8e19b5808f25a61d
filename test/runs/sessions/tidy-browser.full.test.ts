import { expect } from 'chai';
import { defineAction, runAction, z, type ActionContext, type WebDriver } from 'webdriver-supervisor';
import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';

import { makeTestConfig } from '../../support/scripted-run.ts';

const key = (item: string): string => item;
const MODES = [
  ['on the run’s own session', { concurrency: 1 }],
  ['on a pool of two sessions', { sessions: 2 }],
] as const;

/** The faults that an item causes in its session. */
const FAULTS: Readonly<Record<string, (driver: WebDriver, site: FaultSite) => Promise<unknown>>> = {
  'an alert that is left open': (driver, { url }) => driver.get(`${url}/alert`),
  'alerts without end': async (driver, { url }) => {
    await driver.get(`${url}/ok`);
    await driver.executeScript('setTimeout(() => { for (;;) alert("boo"); }, 0);');
  },
  'further windows and a frame': async (driver, { url }) => {
    await driver.get(`${url}/ok`);
    await driver.executeScript('window.open("/ok"); window.open("/ok");');
    await driver.switchTo().newWindow('tab');
    await driver.executeScript('document.body.append(document.createElement("iframe"));');
    await driver.switchTo().frame(0);
  },
  'a page that closes the window': async (driver) => {
    const home = await driver.getWindowHandle();
    await driver.switchTo().newWindow('tab');
    await driver.switchTo().window(home);
    await driver.close();
  },
  'an endless loop': async (driver, site) => {
    await driver.get(`${site.url}/loop`);
    await site.waitForRequest('/loop-begun');
    await driver.getTitle();
  },
  'an endless loop, and no command that waits for it': async (driver, site) => {
    await driver.get(`${site.url}/loop`);
    await site.waitForRequest('/loop-begun');
  },
  'an endless loop while loading': (driver, { url }) => driver.get(`${url}/loop-inline`),
  'a page that never answers': (driver, { url }) => driver.get(`${url}/never`),
  'a page that answers after the limit': (driver, { url }) => driver.get(`${url}/slow?ms=2500`),
  'an ended session': (driver) => driver.quit(),
};
/** The faults that fail their own item. */
const ITEM_FAULTS = new Set([
  'an endless loop',
  'an endless loop while loading',
  'a page that never answers',
  'a page that answers after the limit',
]);

describe('The items after one that leaves its session in a bad state, on a real browser', () => {
  let site: FaultSite;

  beforeEach(async () => (site = await openFaultSite()));
  afterEach(() => site.close());

  const run = (work: (context: ActionContext) => Promise<void>) =>
    runAction(
      defineAction({ name: 'tidy', description: 'An action of a test.', params: z.object({}), run: work }),
      {},
      { output: false, config: makeTestConfig() },
    );

  for (const [where, options] of MODES) {
    for (const [fault, spoil] of Object.entries(FAULTS)) {
      it(`are done ${where} after ${fault}`, async () => {
        const good = ['b', 'c', 'd', 'e'];
        const outcome = await run(async ({ batch, driver: own }) => {
          await batch(
            'b',
            ['a', ...good],
            async (item, tools) => {
              const driver = 'sessions' in options ? tools.driver : own;
              if (item === 'a') return void (await spoil(driver, site));
              await driver.get(`${site.url}/ok`);
              expect(await driver.getTitle()).to.equal('ok');
              expect(await driver.getAllWindowHandles()).to.have.length(1);
            },
            { key, ...options, timeoutMs: 2_000 },
          );
        });
        expect(outcome.error).to.equal(null);
        expect(outcome.deaths).to.deep.equal([]);
        const failed = ITEM_FAULTS.has(fault) ? 1 : 0;
        expect(outcome.counts).to.include({ total: 5, done: 5 - failed, failed });
      });
    }
  }
});
