import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { By, Capabilities, Key, until, WebDriver } from 'selenium-webdriver';
import { Executor, HttpClient } from 'selenium-webdriver/http/index.js';
import { FileDetector } from 'selenium-webdriver/remote/index.js';
import { openFaultSite } from 'webdriver-supervisor/testing';

import { SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { startRealDriver } from '../support/real-driver.ts';
import { openWireRecorder } from './support/wire-recorder.ts';

const BROWSER_ARGUMENTS = ['--headless=new', '--no-sandbox'];
const PAGE = `data:text/html,<title>page</title><input id="text"><input type="file"><button onclick="alert('hello')">ask</button>`;

/** Does the work of an action on a page, with most kinds of commands. */
async function work(driver: WebDriver, siteUrl: string): Promise<void> {
  const file = path.join(tmpdir(), 'upload-ä.txt');
  writeFileSync(file, 'content');
  driver.setFileDetector(new FileDetector());
  await driver.manage().setTimeouts({ implicit: 100, pageLoad: 20_000, script: 20_000 });
  await driver.get(siteUrl);
  await driver.manage().addCookie({ name: 'a b', value: 'ü' });
  await driver.manage().getCookies();
  await driver.manage().deleteCookie('a b');
  await driver.get(PAGE);
  await driver.wait(until.titleIs('page'), 5_000);
  const text = await driver.findElement(By.id('text'));
  await text.sendKeys('grüße', Key.TAB);
  await text.getProperty('value');
  await driver.findElement(By.css('input[type=file]')).sendKeys(file);
  await driver.executeScript('return arguments[0].value', text);
  await driver.executeAsyncScript('arguments[1](arguments[0])', 'x'.repeat(100_000));
  await driver.actions().move({ origin: text }).click().keyDown(Key.SHIFT).sendKeys('a').keyUp(Key.SHIFT).perform();
  await driver.findElement(By.css('button')).click();
  await driver.switchTo().alert().accept();
  await driver.findElements(By.css('nothing'));
  await driver.findElement(By.css('nothing')).catch(() => undefined);
  const first = await driver.getWindowHandle();
  await driver.switchTo().newWindow('tab');
  await driver.close();
  await driver.switchTo().window(first);
  await driver.manage().window().setRect({ width: 900, height: 700 });
  await driver.takeScreenshot();
  await (driver.printPage as unknown as (options: object) => Promise<string>).call(driver, {});
  await driver.navigate().refresh();
  await driver.navigate().back();
  await driver.getPageSource();
}

describe('The requests of a supervised session at an endpoint', () => {
  it('are equal to those of a bare one, headers and bodies included, except for the heartbeat', async () => {
    await using site = await openFaultSite();
    await using endpoint = await startRealDriver();
    const wanted = { 'goog:chromeOptions': { args: BROWSER_ARGUMENTS } };

    await using bareWire = await openWireRecorder(endpoint.url);
    const client = new HttpClient(bareWire.url);
    const bare = WebDriver.createSession(
      new Executor(Promise.resolve(client)),
      new Capabilities({ browserName: 'chrome', ...wanted }),
    );
    await work(bare, site.url);
    await bare.quit();

    await using wire = await openWireRecorder(endpoint.url);
    const supervisor = await SessionSupervisor.start({ gridUrl: wire.url, capabilities: wanted, quiet: false });
    await work(supervisor.driver, site.url);
    await supervisor.driver.quit();
    await supervisor.stop();

    const isOurs = ({ path: asked }: { path: string }) => asked === '/status' || asked === '/sessions';
    const shown = wire.requests.filter((request) => !isOurs(request));
    expect(shown.map(({ method, path: asked }) => `${method} ${asked}`)).to.deep.equal(
      bareWire.requests.map(({ method, path: asked }) => `${method} ${asked}`),
    );
    const [start, ...commands] = shown;
    const [bareStart, ...bareCommands] = bareWire.requests;
    for (const [index, command] of commands.entries()) expect(command).to.deep.equal(bareCommands[index]);
    const { 'content-length': _length, ...headers } = start!.headers;
    expect(bareStart!.headers).to.deep.include(headers);
    // The library adds switches that make the browser quiet and headless.
    expect(withoutSwitches(start!.body)).to.deep.equal(withoutSwitches(bareStart!.body));
  });
});

function withoutSwitches(body: string): unknown {
  return JSON.parse(body, (name, value: unknown) => (name === 'args' ? [] : value));
}
