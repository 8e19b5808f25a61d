import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { By, type ActionContext } from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import { runDownloads, type DownloadWork } from '../support/run-downloads.ts';

describe('ctx.download, on a real browser', function () {
  this.timeout(60_000);
  let site: Server;
  let url: string;
  let output: string;

  before(async () => {
    site = createServer((request, response) => {
      if (request.url?.startsWith('/report') === true) {
        response.writeHead(200, {
          'content-type': 'text/csv',
          'content-disposition': 'attachment; filename="report.csv"',
        });
        response.write(`${request.url}\n`);
        // The file exists for some time before it is complete.
        setTimeout(() => response.end('1,2,3\n'.repeat(1_000)), 300);
      } else
        response
          .setHeader('content-type', 'text/html')
          .end('<a id="a" href="/report/a">a</a><a id="b" href="/report/b">b</a>');
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  });

  after(async () => {
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  beforeEach(() => (output = mkdtempSync(path.join(tmpdir(), 'downloads-'))));
  afterEach(() => rmSync(output, { recursive: true }));

  const run = (work: DownloadWork) => runDownloads(work, { output });

  const fetchReport = async ({ driver, download }: ActionContext, id: string) => {
    await driver.get(`${url}/`);
    return download(() => driver.findElement(By.id(id)).click());
  };

  it('returns one complete file for each step, also if a step is done again after a death', async () => {
    const files: string[] = [];
    const outcome = await run(async (context, { entry, supervisor }) => {
      for (const id of ['a', 'b']) {
        await context.step(`report ${id}`, async () => {
          files.push(await fetchReport(context, id));
          if (entry > 1) return;
          killProcess(supervisor.pids.browser!);
          await once(supervisor.signal, 'abort');
        });
      }
    });
    expect(outcome).to.include({ status: 'completed', error: null });
    const [first, again, second] = files;
    expect(first).to.equal(again).and.not.equal(second);
    expect(readdirSync(path.join(output, 'downloads'))).to.have.length(2);
    for (const [id, file] of [
      ['a', first!],
      ['b', second!],
    ] as const) {
      expect(readdirSync(path.dirname(file))).to.deep.equal(['report.csv']);
      expect(readFileSync(file, 'utf8')).to.match(new RegExp(`^/report/${id}\n(1,2,3\n){1000}$`));
    }
  });

  it('makes files and folders private, even if the umask is 0', async () => {
    const umask = process.umask(0);
    try {
      await run(async (context) => {
        const file = await context.step('report', () => fetchReport(context, 'a'));
        // No call waits for this download.
        await context.driver.findElement(By.id('b')).click();
        const other = path.join(output, 'downloads', 'report.csv');
        while (!existsSync(other)) await context.driver.getTitle();
        const modes = [file, path.dirname(file), path.join(output, 'downloads')].map(
          (one) => statSync(one).mode & 0o777,
        );
        expect(modes).to.deep.equal([0o600, 0o700, 0o700]);
      });
    } finally {
      process.umask(umask);
    }
  });

  it('separates the files of steps with similar keys, and of concurrent downloads', async () => {
    const files: string[] = [];
    await run(async (context) => {
      for (const key of ['report/1', 'report-1', 'REPORT-1'])
        files.push(await context.step(key, () => fetchReport(context, 'a')));
      const { driver, download } = context;
      const both = ['a', 'b'].map(
        async (id) =>
          readFileSync(await download(() => driver.findElement(By.id(id)).click()), 'utf8').split('\n', 1)[0]!,
      );
      files.push(...(await Promise.all(both)));
    });
    const [one, two, three, ...texts] = files;
    expect(new Set([one, two, three].map((file) => file!.toLowerCase())).size).to.equal(3);
    expect(texts).to.deep.equal(['/report/a', '/report/b']);
  });

  it('is refused in an item of a batch', async () => {
    const outcome = await run(async ({ driver, batch, download }) => {
      await batch('items', ['a'], () => download(() => driver.getTitle()), { key: String, concurrency: 1 });
    });
    expect(outcome.error?.message).to.match(
      /^ctx\.download was used in the item "a" of batch "items"\..* download in steps/,
    );
  });

  it('puts a download that no call waits for into the run’s folder, and not into the user’s', async () => {
    const users = path.join(homedir(), 'Downloads', 'report.csv');
    const isThere = existsSync(users);
    await run(async ({ driver, step, download, signal }) => {
      await step('click', async () => {
        await driver.get(`${url}/`);
        await download(() => driver.findElement(By.id('b')).click());
        await driver.findElement(By.id('a')).click();
        const file = path.join(output, 'downloads', 'report.csv');
        while (!existsSync(file) && !signal.aborted) await driver.getTitle();
      });
    });
    expect(existsSync(users)).to.equal(isThere);
  });

  it('fails the step if no download begins', async () => {
    const outcome = await run(async ({ driver, step, download }) => {
      await step('none', async () => {
        await driver.get(`${url}/`);
        await download(() => driver.getTitle(), { timeoutMs: 100 });
      });
    });
    expect(outcome.error).to.include({ code: 'download-timed-out' });
    expect(readdirSync(path.join(output, 'downloads', 'none'))).to.deep.equal([]);
  });
});
