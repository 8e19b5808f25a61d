import assert from 'node:assert/strict';

import { supervised } from 'webdriver-supervisor';
import { killBrowser, siteUrl } from './shared.ts';

/** The part that mocha and node:test have in common. */
interface Framework {
  readonly describe: (title: string, fill: () => void) => void;
  readonly it: (title: string, test: () => Promise<void>) => void;
}

// One file for both.
const { describe, it }: Framework = 'describe' in globalThis ? globalThis : await import('node:test');

describe('the shop', () => {
  it(
    'survives its browser',
    supervised(async ({ driver, attempt }) => {
      await driver.get(siteUrl('/ok'));
      if (attempt === 1) await killBrowser(driver);
      assert.equal(await driver.getTitle(), 'ok');
      assert.equal(attempt, 2);
    }),
  );

  it(
    'fails by itself',
    supervised(async ({ driver, attempt }) => {
      await driver.get(siteUrl('/ok'));
      assert.equal(await driver.getTitle(), 'shop', `at attempt ${attempt}`);
    }),
  );
});
