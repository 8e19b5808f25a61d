import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { By, SessionSupervisor, until } from 'webdriver-supervisor';
import type { WebDriver } from 'selenium-webdriver';

import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { eventually } from '../support/eventually.ts';
import { makeDeath } from '../support/make-death.ts';
import { literal, rawSql } from '../support/raw-sql.ts';
import { describeOnSqlite } from '../support/registries.ts';
import { openMonitor, TOKEN, type OpenedMonitor } from './support/opened-monitor.ts';
import { ageRun, startRun, startSession } from './support/rows.ts';

const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const WIDTHS = [1280, 390] as const;
const SCHEMES = ['light', 'dark'] as const;
const WAIT_MS = 10_000;
/** A malicious name of an owner. */
const NASTY = `<img src=x onerror="document.title='owned'">${'x'.repeat(200)}`;

const LIVE_VIEW = 'http://grid.test:4444/ui/#/session/1';

const CONTROLS = 'a[href], button, input, select, summary, [tabindex="0"]';
const RECORDS = Array.from({ length: 120 }, (_unused, index) => ({ key: `${index}`, record: { index, name: NASTY } }));
const PAGES: readonly (readonly [hash: string, selector: string, text: RegExp])[] = [
  ['#/', '#running', /ann/],
  ['#/runs/run-3', '#run-records', /the first 100/],
  ['#/runs?status=halted', '#list table', /run-3/],
  ['#/sessions', '#list table', /dead/],
];

interface DevTools {
  sendDevToolsCommand(name: string, parameters: object): Promise<void>;
}

describeOnSqlite('The dashboard', (registries) => {
  let url: string;
  let registry: Registry;
  let monitor: OpenedMonitor;
  let supervisor: SessionSupervisor;
  let driver: WebDriver;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'downloads-'));
    url = await registries.url();
    registry = await openRegistry(url);
    monitor = await openMonitor(url, { HEALTH_CHECK_ENABLED: 'true', AUTO_TIMEOUT_ENABLED: 'false' });
    supervisor = await SessionSupervisor.start();
    ({ driver } = supervisor);
    await startRun(registry, { id: 'run-1', owner: 'ann' });
    await startRun(registry, { id: 'run-2', owner: NASTY });
    await ageRun(url, 'run-2', 60);
    await addHaltedRun(registry, url);
    await startSession(registry, { id: 'remote', endpoint: 'http://grid:4444/', liveView: LIVE_VIEW });
  });

  after(async () => {
    await supervisor.stop();
    await monitor.close();
    await registry.close();
    rmSync(folder, { recursive: true });
  });

  /** Reads the text in one command, because an element may be replaced between two commands. */
  const textOf = (selector: string) =>
    driver.executeScript<string>('return document.querySelector(arguments[0])?.innerText ?? ""', selector);
  const waitForText = (selector: string, text: RegExp) =>
    eventually(async () => text.test(await textOf(selector)), `${String(text)} in ${selector}`);
  const violations = async () => {
    if (!(await driver.executeScript<boolean>('return "axe" in window'))) await driver.executeScript(AXE);
    const found = await driver.executeAsyncScript<{ id: string; nodes: { html: string }[] }[]>(
      'const done = arguments[0]; axe.run().then(({ violations }) => done(violations))',
    );
    return found.map(({ id, nodes }) => [id, nodes[0]?.html]);
  };
  const open = async (hash: string, selector: string, text: RegExp) => {
    await driver.executeScript('location.hash = arguments[0]', hash);
    await waitForText(selector, text);
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
    await driver.executeScript('window.wasNotReloaded = true; window.row = document.querySelector("#running .run")');
    for (const done of [12, 40]) {
      await registry.runs.setProgress('run-1', { done, total: 80, label: 'products' });
      await waitForText('#running', new RegExp(`${done} of 80 · ${(done * 100) / 80} %`));
    }
    expect(await driver.executeScript('return window.wasNotReloaded && window.row.isConnected')).to.equal(true);
  });

  it('shows the status, the stuck run, and the alert with the command to type next', async () => {
    await waitForText('#status', /critical/);
    await waitForText('#stuck', /gather/);
    await waitForText('#alerts', /is stuck: no progress for/);
    expect(await textOf('#alerts')).to.contain('reset-stuck --execute');
    expect(await driver.getTitle()).to.not.equal('owned');
  });

  it('leads from a number to its section', async () => {
    await (await driver.findElement(By.css('.tile[href="#deaths"]'))).click();
    const scrolled = `const done = arguments[0];
      requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => done(scrollY))))`;
    expect(await driver.executeAsyncScript<number>(scrolled)).to.be.above(0);
    expect(await driver.getCurrentUrl()).to.match(/#deaths$/);
  });

  it('shows the content of a run and the command that continues it, opened by its link; reload and the back button work', async () => {
    await open('#/runs', '#list table', /run-3/);
    await (await driver.findElement(By.css('a[href="#/runs/run-3"]'))).click();
    for (const page of ['opened', 'loaded anew']) {
      await waitForText('#run', /halted\s+run-3[^]*lease-lost[^]*10 so far[^]*--resume run-3/);
      await waitForText('#run-sessions', /1 death: browser-gone[^]*Noticed by[^]*devtools/);
      await waitForText('#run-failed', /product 7[^]*http-status: HTTP 503[^]*https:\/\/shop\.example\/7/);
      await waitForText('#run-records', /the first 100 of 120[^]*<img src=x/);
      await waitForText('#run-events', /run ended/);
      expect(await driver.getTitle(), page).to.match(/^run run-3 · /);
      if (page === 'opened') await driver.navigate().refresh();
    }
    expect(await driver.executeScript('return document.querySelectorAll("main img").length')).to.equal(0);
    await driver.navigate().back();
    await waitForText('#list table', /run-3/);
    expect(await driver.getCurrentUrl()).to.match(/#\/runs$/);
  });

  it('downloads all records of a run as JSON lines', async () => {
    const devtools = driver as unknown as DevTools;
    await devtools.sendDevToolsCommand('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
    await open('#/runs/run-3', '#run-records', /the first 100 of 120/);
    await (await driver.findElement(By.css('#run-records .button'))).click();
    await waitForText('#toast', /Read 120 records in 1 file/);
    const file = path.join(folder, 'run-3-records.jsonl');
    await eventually(async () => existsSync(file), 'the file');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).to.deep.equal(RECORDS.map(({ record }) => record));
  });

  it('reports that there is no such run', async () => {
    await open('#/runs/nobody', '#run', /There is no run nobody in the registry/);
    await (await driver.findElement(By.css('#run a'))).click();
    await waitForText('#list table', /run-3/);
  });

  it('lists runs by search, status and owner, in pages, as in the address', async () => {
    await open('#/runs', '#list', /Next 50/);
    const field = await driver.findElement(By.css('#list [name=search]'));
    await field.sendKeys('snap', '\uE007');
    await waitForText('#list table', /^(?![^]*gather)[^]*snapshot/);
    expect(await driver.getCurrentUrl()).to.match(/#\/runs\?search=snap$/);
    await driver.navigate().refresh();
    await waitForText('#list table', /^(?![^]*gather)[^]*snapshot/);
    expect(await (await driver.findElement(By.css('#list [name=search]'))).getAttribute('value')).to.equal('snap');
    const ids = async () =>
      driver.executeScript<string[]>('return [...document.querySelectorAll("#list .id")].map(({ title }) => title)');
    const first = await ids();
    expect(first).to.have.length(50);
    await (await driver.findElement(By.css('#list .paging a'))).click();
    await eventually(async () => (await ids()).length === 10, 'the second part');
    expect(new Set([...first, ...(await ids())]).size).to.equal(60);
    await open('#/runs?status=halted&owner=carol', '#list table', /run-3/);
    expect(await ids()).to.deep.equal(['Run run-3']);
    await open('#/runs?search=none', '#list', /Nothing matches/);
    await open('#/sessions?search=remote', '#list table', /remote/);
    const links = 'return [...document.querySelectorAll("#list tbody a.id")].map(({ href }) => href)';
    expect(await driver.executeScript(links)).to.deep.equal([LIVE_VIEW]);
    await open('#/sessions?search=an&status=live', '#list table', /ann/);
    expect(await textOf('#list tbody')).to.not.contain('img');
  });

  for (const width of WIDTHS)
    for (const scheme of SCHEMES)
      it(`has no violation of WCAG and no horizontal scrolling at ${width} px, ${scheme}`, async () => {
        await show({ width, scheme });
        for (const [hash, selector, text] of PAGES) {
          await open(hash, selector, text);
          expect(await violations(), hash).to.deep.equal([]);
          const overflow = 'return document.documentElement.scrollWidth - document.documentElement.clientWidth';
          expect(await driver.executeScript(overflow), hash).to.equal(0);
        }
      });

  for (const [hash, selector, text] of PAGES)
    it(`is reached by the keyboard alone, each control with a visible focus: ${hash}`, async () => {
      await show({ width: 1280, scheme: 'light' });
      await open(hash, selector, text);
      // Controls that are not visible can't be reached by the keyboard either.
      const reachable = await driver.executeScript<number>(
        `document.activeElement.blur(); window.scrollTo(0, 0);
         window.seen = new Set(); window.unmarked = [];
         window.controls = () => [...document.querySelectorAll(arguments[0])]
           .filter((one) => !one.disabled && one.checkVisibility());
         addEventListener('focusin', ({ target }) => {
           seen.add(target);
           const { outlineStyle, boxShadow } = getComputedStyle(target);
           if (outlineStyle === 'none' && boxShadow === 'none') unmarked.push(target.outerHTML);
         });
         return controls().length`.replaceAll('arguments[0]', JSON.stringify(CONTROLS)),
      );
      const presses = Array<string>(reachable + 5).fill('\uE004');
      await driver
        .actions()
        .sendKeys(...presses)
        .perform();
      const missed = 'return controls().filter((one) => !seen.has(one)).map((one) => one.outerHTML)';
      expect(await driver.executeScript(missed)).to.deep.equal([]);
      expect(await driver.executeScript('return unmarked'), 'a focus that can’t be seen').to.deep.equal([]);
    });

  it('resets stuck runs (R212)', async () => {
    await open('#/', '#stuck', /gather/);
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
    const complaints = entries.map(({ message }) => message).filter((text) => !/\b(401|404|503)\b/.test(text));
    expect(complaints).to.deep.equal([]);
  });
});

/** The run-3 of carol, which died at 10 of some steps, with records and a failed step; and 60 runs of another action. */
async function addHaltedRun(registry: Registry, url: string): Promise<void> {
  for (let number = 0; number < 60; number += 1)
    await registry.runs.create({ id: `other-${number}`, action: 'snapshot', params: {}, owner: `other ${number}` });
  await startRun(registry, { id: 'run-3', owner: 'carol' });
  await registry.runs.setRecords('run-3', RECORDS);
  const failed = [
    'run-3',
    'p7',
    'products',
    'product 7',
    'failed',
    'http-status',
    'HTTP 503',
    '{"url":"https://shop.example/7"}',
  ];
  await rawSql(
    url,
    `insert into steps (run_id, id, batch, key, status, error_code, message, item, ord) values (${failed.map(literal).join()}, 1)`,
  );
  const death = makeDeath({ at: new Date().toISOString() });
  await registry.leases.release('session of run-3', 'manager', { status: 'dead', death });
  const message = 'its program is gone';
  await registry.events.append({ type: 'run_ended', owner: 'carol', runId: 'run-3', status: 'halted', message });
  await rawSql(
    url,
    `update runs set token = null, status = 'halted', error_code = 'lease-lost', error_message = ${literal(message)},
     ended_at = ${literal(death.at)}, total = 11, done = 10, failed = 1, deaths = ${literal(JSON.stringify([death]))}
     where id = 'run-3'`,
  );
}
