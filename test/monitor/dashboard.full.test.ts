import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { expect } from 'chai';
import { By, SessionSupervisor, until } from 'webdriver-supervisor';
import type { WebDriver } from 'selenium-webdriver';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { describeOnSqlite } from '../support/registries.ts';
import { openMonitor, TOKEN, type OpenedMonitor } from './support/opened-monitor.ts';
import { ageRun, startRun } from './support/rows.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [1280, 390] as const;
const SCHEMES = ['light', 'dark'] as const;
const WAIT_MS = 10_000;
/** A malicious name of an owner. */
const NASTY = `<img src=x onerror="document.title='owned'">${'x'.repeat(200)}`;

interface DevTools {
  sendDevToolsCommand(name: string, parameters: object): Promise<void>;
}

describeOnSqlite('The dashboard', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;
  let supervisor: SessionSupervisor;
  let driver: WebDriver;

  before(async () => {
    url = await registries.url();
    registry = await openRegistry(url);
    monitor = await openMonitor(url, { HEALTH_CHECK_ENABLED: 'true', AUTO_TIMEOUT_ENABLED: 'false' });
    supervisor = await SessionSupervisor.start();
    ({ driver } = supervisor);
    await startRun(registry, { id: 'run-1', owner: 'ann' });
    await startRun(registry, { id: 'run-2', owner: NASTY });
    await ageRun(url, 'run-2', 60);
  });

  after(async () => {
    await supervisor.stop();
    await monitor.close();
    await registry.close();
  });

  /** Reads the text in one command, because an element may be replaced between two commands. */
  const textOf = (selector: string) =>
    driver.executeScript<string>('return document.querySelector(arguments[0])?.innerText ?? ""', selector);
  const waitForText = (selector: string, text: RegExp) =>
    eventually(async () => text.test(await textOf(selector)), `${String(text)} in ${selector}`);
  const violations = async () => {
    await driver.executeScript(AXE);
    const found = await driver.executeAsyncScript<{ id: string; nodes: { html: string }[] }[]>(
      'const done = arguments[0]; axe.run().then(({ violations }) => done(violations))',
    );
    return found.map(({ id, nodes }) => [id, nodes[0]?.html]);
  };
  const signIn = async (token: string) => {
    const field = await driver.findElement(By.css('#token'));
    await field.clear();
    await field.sendKeys(token);
    await (await driver.findElement(By.css('#sign-in-confirm'))).click();
  };
  const show = async ({ width, scheme }: { width: number; scheme: string }) => {
    const devtools = driver as unknown as DevTools;
    const size = { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 };
    await devtools.sendDevToolsCommand('Emulation.setDeviceMetricsOverride', size);
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await devtools.sendDevToolsCommand('Emulation.setEmulatedMedia', { features });
  };

  it('asks for the token, refuses a wrong one, and stores the right one for this tab (R201, R411)', async () => {
    await show({ width: 1280, scheme: 'light' });
    await driver.get(monitor.url);
    await driver.wait(until.elementIsVisible(await driver.findElement(By.css('#token'))), WAIT_MS);
    expect(await textOf('#running')).to.not.contain('ann');
    expect(await violations()).to.deep.equal([]);
    await signIn('wrong');
    await waitForText('#sign-in-error', /token is wrong/);
    await signIn(TOKEN);
    await waitForText('#running', /ann/);
    await driver.navigate().refresh();
    await waitForText('#running', /ann/);
    expect(await driver.getCurrentUrl()).to.not.contain(TOKEN);
    expect(await driver.manage().getCookies()).to.deep.equal([]);
    await driver.switchTo().newWindow('tab');
    await driver.get(monitor.url);
    await driver.wait(until.elementIsVisible(await driver.findElement(By.css('#token'))), WAIT_MS);
    await driver.close();
    await driver.switchTo().window((await driver.getAllWindowHandles())[0] ?? '');
  });

  it('shows the data of its links, which need the token', async () => {
    await (await driver.findElement(By.css('.foot a[href="/metrics"]'))).click();
    await waitForText('body', /webdriver_supervisor_sessions\{/);
    await driver.navigate().back();
    await waitForText('#running', /ann/);
  });

  it('updates the progress of a run without a reload (R212, R515)', async () => {
    await show({ width: 1280, scheme: 'light' });
    await driver.get(monitor.url);
    await waitForText('#running', /ann/);
    await waitForText('#connection', /^live$/);
    await driver.executeScript('window.wasNotReloaded = true');
    for (const done of [12, 40]) {
      await registry.runs.setProgress('run-1', { done, total: 80, label: 'products' });
      await waitForText('#running', new RegExp(`${done} of 80 · ${(done * 100) / 80} %`));
    }
    expect(await driver.executeScript('return window.wasNotReloaded')).to.equal(true);
  });

  it('shows the status, the stuck run, and the alert with the command to type next', async () => {
    await waitForText('#status', /critical/);
    await waitForText('#stuck', /gather/);
    await waitForText('#alerts', /is stuck: no progress for/);
    expect(await textOf('#alerts')).to.contain('reset-stuck --execute');
    expect(await driver.getTitle()).to.not.equal('owned');
  });

  for (const width of WIDTHS)
    for (const scheme of SCHEMES)
      it(`has no violation of WCAG and no horizontal scrolling at ${width} px, ${scheme}`, async () => {
        await show({ width, scheme });
        expect(await violations()).to.deep.equal([]);
        const overflow = 'return document.documentElement.scrollWidth - document.documentElement.clientWidth';
        expect(await driver.executeScript(overflow)).to.equal(0);
      });

  it('can be used by the keyboard alone, with a visible focus on each control', async () => {
    await show({ width: 1280, scheme: 'light' });
    // Controls that are not visible can't be reached by the keyboard either.
    const reachable = await driver.executeScript<number>(
      `document.activeElement.blur(); window.scrollTo(0, 0);
       window.seen = new Set();
       return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
         .filter((one) => !one.disabled && one.checkVisibility()).length`,
    );
    for (let presses = 0; presses < reachable + 5; presses += 1) {
      await driver.actions().sendKeys('\uE004').perform();
      const unmarked = await driver.executeScript<string | null>(
        `const one = document.activeElement; window.seen.add(one);
         const { outlineStyle, boxShadow } = getComputedStyle(one);
         return one !== document.body && outlineStyle === 'none' && boxShadow === 'none' ? one.outerHTML : null`,
      );
      expect(unmarked, 'a focus that can’t be seen').to.equal(null);
    }
    const missed = await driver.executeScript<string[]>(
      `return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
         .filter((one) => !one.disabled && one.checkVisibility() && !window.seen.has(one)).map((one) => one.outerHTML)`,
    );
    expect(missed).to.deep.equal([]);
  });

  it('resets stuck runs (R212)', async () => {
    const press = async (selector: string) => (await driver.findElement(By.css(selector))).click();
    await press('#reset-all');
    await driver.wait(until.elementIsVisible(await driver.findElement(By.css('#dialog-confirm'))), WAIT_MS);
    expect(await registry.runs.get('run-2')).to.include({ status: 'processing' });
    await press('#dialog-confirm');
    await eventually(async () => (await registry.runs.get('run-2'))?.status === 'timed_out', 'the run is reset');
    await waitForText('#stuck', /Nothing is stuck/);
  });

  it('has logged no errors but the refusals', async () => {
    const entries = await driver.manage().logs().get('browser');
    const complaints = entries.map(({ message }) => message).filter((text) => !/\b(401|503)\b/.test(text));
    expect(complaints).to.deep.equal([]);
  });
});
