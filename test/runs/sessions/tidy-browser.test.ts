import { expect } from 'chai';
import { defineAction, runAction, z } from 'webdriver-supervisor';
import { openFaultSite } from 'webdriver-supervisor/testing';

import { makeTestConfig } from '../../support/scripted-run.ts';

describe('The items of a batch on one real browser', () => {
  it('find no alert, window or frame of the previous item, and the page that it left', async () => {
    await using site = await openFaultSite();
    const seen: unknown[] = [];
    const action = defineAction({
      name: 'tidy',
      description: 'An action of a test.',
      params: z.object({}),
      run: async ({ batch, driver }) => {
        const look = async () => {
          const windows = await driver.getAllWindowHandles();
          const isTop = await driver.executeScript<boolean>('return window === window.top');
          seen.push([await driver.getTitle(), windows.length, isTop]);
        };
        await driver.get(`${site.url}/ok`);
        const items = ['a frame', 'windows', 'an alert', 'nothing'];
        await batch(
          'b',
          items,
          async (item) => {
            await look();
            if (item === 'a frame') {
              await driver.executeScript('document.body.append(document.createElement("iframe"));');
              await driver.switchTo().frame(0);
            } else if (item === 'windows') {
              await driver.executeScript('window.open("/ok");');
              await driver.switchTo().newWindow('tab');
            } else if (item === 'an alert') await driver.executeScript('setTimeout(() => alert("boo"), 0);');
          },
          { key: (item) => item, concurrency: 1 },
        );
      },
    });
    const outcome = await runAction(action, {}, { output: false, config: makeTestConfig() });
    expect(outcome).to.include({ status: 'completed', error: null, sessions: 1 });
    const untouched = ['ok', 1, true];
    expect(seen).to.deep.equal([untouched, untouched, untouched, untouched]);
  });
});
