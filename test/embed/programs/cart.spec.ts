import assert from 'node:assert/strict';

import { browser } from 'webdriver-supervisor/mocha';
import { cartSessions, killBrowser, siteUrl } from './shared.ts';

/** A script that counts what the browser has stored for the page. */
const STATE = `return Promise.all([
  indexedDB.databases().then((databases) => databases.length),
  caches.keys().then((names) => names.length),
]).then((stored) => [localStorage.length, sessionStorage.length, document.cookie, ...stored])`;

describe('the cart', () => {
  let attempts = 0;

  beforeEach(async () => {
    await browser.driver.get(siteUrl('/ok'));
    cartSessions.add((await browser.driver.getSession()).getId());
  });

  it('leaves traces', async () => {
    const { driver } = browser;
    await driver.manage().window().setRect({ width: 700, height: 500 });
    await driver.manage().setTimeouts({ implicit: 1_500 });
    await driver.executeScript(
      `localStorage.setItem('a', '1'); sessionStorage.setItem('b', '2'); document.cookie = 'c=3';
       indexedDB.open('d'); window.open('${siteUrl('/ok?other')}', '_blank', 'noopener'); return caches.open('e').then(() => 1)`,
    );
    await driver.get(siteUrl('/set-cookie'));
    await driver.get(siteUrl('/alert'));
    await driver.wait(async () => (await driver.getAllWindowHandles()).length === 2, 5_000);
    await driver.executeScript('setTimeout(() => alert("later"), 0); console.log("of the first test")').catch(() => 0);
  });

  it('finds the browser empty', async () => {
    const { driver, api } = browser;
    assert.equal(cartSessions.size, 1);
    assert.deepEqual(await driver.executeScript(STATE), [0, 0, '', 0, 0]);
    assert.equal((await driver.getAllWindowHandles()).length, 1);
    assert.equal(await driver.executeScript('return history.length'), 2);
    assert.notEqual((await driver.manage().window().getRect()).width, 700);
    assert.equal((await driver.manage().getTimeouts()).implicit, 0);
    assert.deepEqual((await api.json<{ cookies: object }>(siteUrl('/echo'))).cookies, {});
  });

  it('survives its browser', async () => {
    attempts += 1;
    if (attempts === 1) await killBrowser(browser.driver);
    assert.equal(await browser.driver.getTitle(), 'ok');
    assert.equal(attempts, 2);
  });

  it('hangs', async function (this: Mocha.Context) {
    this.timeout(200);
    await new Promise(() => undefined);
  });

  it('fails by itself', async () => {
    assert.equal(cartSessions.size, 3, 'the first, the one after the death, the one after the test that hangs');
    await browser.driver.executeScript('console.error("no cart")');
    assert.equal(await browser.driver.getTitle(), 'cart');
  });
});
