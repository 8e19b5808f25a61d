import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { By, type ActionContext, type WebDriver } from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import type { Grid } from '../../scripts/grid/open-grid.ts';
import { openGridOrSkip } from './support.ts';
import { runDownloads, type DownloadWork } from '../support/run-downloads.ts';

/** Selenium's types omit this function. */
type GridDriver = WebDriver & { getDownloadableFiles(): Promise<string[]> };
const listOnNode = (driver: WebDriver) => (driver as GridDriver).getDownloadableFiles();

/** Grid 4.47 sends a file whose name has a space in another way than other files. */
const NAMES: Readonly<Record<string, string>> = {
  a: 'Bericht (März).csv',
  b: 'März.csv',
  again: 'Bericht (März).csv',
  slow: 'slow.csv',
};
const PAGE = Object.keys(NAMES)
  .map((id) => `<a id="${id}" href="/report/${id}">${id}</a> `)
  .join('');

describe('ctx.download on a Grid', function () {
  this.timeout(60_000);
  let grid: Grid;
  let site: Server;
  let output: string;
  let url: string;

  before(async function () {
    site = createServer((request, response) => {
      const id = request.url?.split('/report/')[1];
      if (id === undefined) return void response.setHeader('content-type', 'text/html').end(PAGE);
      response.writeHead(200, {
        'content-type': 'text/csv',
        'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(NAMES[id]!)}`,
      });
      response.write(`${request.url}\n`);
      // The file exists for some time before it is complete; the slow one is never complete.
      if (id !== 'slow') setTimeout(() => response.end('1,2,3\n'.repeat(1_000)), 300);
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    grid = await openGridOrSkip(this, {
      nodes: 1,
      slots: 2,
      nodeArguments: ['--enable-managed-downloads', 'true'],
    });
  });

  after(async () => {
    await grid?.[Symbol.asyncDispose]();
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  beforeEach(() => (output = mkdtempSync(path.join(tmpdir(), 'downloads-'))));
  afterEach(() => rmSync(output, { recursive: true }));

  const run = (work: DownloadWork, capabilities: Record<string, unknown> = {}) =>
    runDownloads(work, { output, supervisor: { gridUrl: grid.url, capabilities } });

  const fetchReport = async ({ driver, download }: ActionContext, id: string) => {
    await driver.get(`${url}/`);
    return download(() => driver.findElement(By.id(id)).click());
  };

  it('copies one complete file from the node for each step, also if a step is done again after a death', async () => {
    const files: string[] = [];
    const onNode: string[][] = [];
    const outcome = await run(async (context, { entry, supervisor }) => {
      for (const id of ['a', 'b']) {
        await context.step(`report ${id}`, async () => {
          files.push(await fetchReport(context, id));
          onNode.push(await listOnNode(context.driver));
          if (entry > 1) return;
          killProcess(supervisor.pids.browser!);
          // The next command notices the death.
          await context.driver.getTitle();
        });
      }
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(outcome.sessions).to.equal(2);
    const [first, again, second] = files;
    expect(first).to.equal(again).and.not.equal(second);
    for (const [id, file] of [
      ['a', first!],
      ['b', second!],
    ] as const) {
      expect(readdirSync(path.dirname(file))).to.deep.equal([NAMES[id]]);
      expect(readFileSync(file, 'utf8')).to.match(new RegExp(`^/report/${id}\n(1,2,3\n){1000}$`));
      expect(statSync(file).mode & 0o777).to.equal(0o600);
    }
    expect(onNode).to.deep.equal([[], [], []]);
  });

  it('tells a file from those that were there before, and leaves those on the node', async () => {
    const texts: string[] = [];
    let left: string[] = [];
    const outcome = await run(async (context) => {
      const { driver } = context;
      await driver.get(`${url}/`);
      await driver.findElement(By.id('a')).click();
      while (!(await listOnNode(driver)).includes(NAMES['a']!));
      texts.push(readFileSync(await fetchReport(context, 'again'), 'utf8').split('\n', 1)[0]!);
      left = await listOnNode(driver);
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(texts).to.deep.equal(['/report/again']);
    expect(left).to.include(NAMES['a']);
  });

  it('fails the step if the file is not complete in time, and then removes it from the node', async () => {
    let left: string[] | undefined;
    const outcome = await run(async ({ driver, step, download }) => {
      await driver.get(`${url}/`);
      const work = () => download(() => driver.findElement(By.id('slow')).click(), { timeoutMs: 1_000 });
      try {
        await step('slow', work);
      } finally {
        left = await listOnNode(driver);
      }
    });
    expect(outcome.error).to.include({ code: 'download-timed-out' });
    expect(outcome.error?.message).to.contain('not complete').and.contain('timeoutMs');
    expect(left).to.deep.equal([]);
    expect(readdirSync(path.join(output, 'downloads', 'slow'))).to.deep.equal([]);
  });

  it('lets a browser of this machine save the file itself if the session is asked for without downloads', async () => {
    let text = '';
    const outcome = await run(
      async (context) => {
        text = readFileSync(await fetchReport(context, 'a'), 'utf8');
      },
      { 'se:downloadsEnabled': false },
    );
    expect(outcome).to.include({ status: 'completed', error: null });
    expect(text).to.match(/^\/report\/a\n(1,2,3\n){1000}$/);
  });
});
