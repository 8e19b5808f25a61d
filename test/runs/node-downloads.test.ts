import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { loadSelenium } from '../../src/driver/selenium.ts';
import { openScriptedWebDriver, type ScriptedReply, type WebDriverScript } from '../../src/testing.ts';
import { runScripted } from '../support/scripted-run.ts';

const MISSING =
  'Please enable management of downloads via the command line arg [--enable-managed-downloads] and restart the node';
/** A profile that only another machine has. */
const FAR_AWAY = { chrome: { userDataDir: '/nonexistent/org.chromium.Chromium.scoped_dir.x' } };

const BAD_GATEWAY = { status: 502, body: 'Bad Gateway' };

const toStatus = (...stereotypes: object[]): ScriptedReply => ({
  value: { ready: true, nodes: stereotypes.map((stereotype) => ({ slots: [{ session: null, stereotype }] })) },
});
const CHROME = { browserName: 'chrome', platformName: 'linux' };
const MANAGED = { ...CHROME, 'se:downloadsEnabled': true };

const openGrid = ({ answers, ...script }: WebDriverScript = {}) =>
  openScriptedWebDriver({
    capabilities: { 'se:bidiEnabled': false, 'se:downloadsEnabled': true, ...FAR_AWAY },
    ...script,
    answers: { 'GET /status': toStatus(MANAGED), ...answers },
  });

/** Selenium's writer of zip files. */
interface ZipWriter {
  readonly Zip: new () => {
    addFile(file: string, name: string): Promise<void>;
    toBuffer(compression: 'DEFLATE'): Promise<Buffer>;
  };
}

async function toContents(name: string, text: string): Promise<string> {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'zip-'));
  const file = path.join(folder.path, 'file');
  await writeFile(file, text);
  const { Zip } = loadSelenium<ZipWriter>('io/zip.js');
  const zip = new Zip();
  await zip.addFile(file, name);
  return (await zip.toBuffer('DEFLATE')).toString('base64');
}

describe('ctx.download at an endpoint', () => {
  for (const [offers, status, isRequested] of [
    ['all nodes send downloads', toStatus(MANAGED, { browserName: 'firefox' }), true],
    ['one node sends none', toStatus(MANAGED, CHROME), undefined],
    ['the Grid has no node yet', toStatus(), undefined],
    ['the endpoint is no Grid', { value: { ready: true } }, undefined],
  ] as const) {
    it(`makes a run ask for downloads only if that excludes no node: ${offers}`, async () => {
      await using server = await openGrid({ answers: { 'GET /status': status } });
      await runScripted({ server, run: () => undefined });
      const { body } = await server.waitForRequest('POST /session');
      const { alwaysMatch: asked } = body['capabilities'] as { alwaysMatch: Record<string, unknown> };
      expect(asked['se:downloadsEnabled']).to.equal(isRequested);
    });
  }

  it('says how to set up the Grid if the session was not asked for with downloads, before the work begins', async () => {
    await using server = await openGrid({ answers: { 'GET /status': toStatus(CHROME) } });
    const { outcome } = await runScripted({
      server,
      run: ({ step, download, driver }) => step('report', async () => void (await download(() => driver.getTitle()))),
    });
    expect(outcome.error).to.include({ code: 'downloads-unavailable' });
    expect(outcome.error?.message).to.contain('--enable-managed-downloads true').and.contain('BROWSER_CAPABILITIES');
    expect(server.requests.some((request) => request.path.endsWith('/title'))).to.equal(false);
  });

  it('says it at once if the node does not send downloads in spite of the capability', async () => {
    await using server = await openGrid({ answers: { 'GET /se/files': { error: 'unknown error', message: MISSING } } });
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'downloads-'));
    const { outcome } = await runScripted({
      server,
      options: { output: folder.path },
      run: ({ step, download, driver }) => step('report', async () => void (await download(() => driver.getTitle()))),
    });
    expect(outcome.error).to.include({ code: 'downloads-unavailable' });
  });

  it('says that a driver on another machine has no downloads', async () => {
    await using server = await openScriptedWebDriver({ capabilities: FAR_AWAY });
    const { outcome } = await runScripted({
      server,
      run: async ({ download }) => void (await download(() => undefined)),
    });
    expect(outcome.error?.message).to.match(/the driver at http:\S+ does not send downloads/);
  });

  it('asks the Grid again after a passing failure', async () => {
    await using server = await openGrid();
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'downloads-'));
    let names: readonly string[] = [];
    server.answer('GET /se/files', () => ({ value: { names } }));
    const contents = await toContents('a.csv', '1,2,3\n');
    server.answer('POST /se/files', { value: { filename: 'a.csv', contents } });
    server.answer('DELETE /se/files', { value: null });
    let text = '';
    await runScripted({
      server,
      options: { output: folder.path },
      run: async ({ download }) => {
        const file = await download(() => {
          names = ['a.csv'];
          server.answer('GET /se/files', BAD_GATEWAY, { times: 1 });
          server.answer('POST /se/files', { fault: 'reset' }, { times: 1 });
        });
        text = await readFile(file, 'utf8');
      },
    });
    expect(text).to.equal('1,2,3\n');
  });

  it('names the last failure of the Grid if it does not pass', async () => {
    await using server = await openGrid({ answers: { 'GET /se/files': { value: { names: [] } } } });
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'downloads-'));
    const { outcome } = await runScripted({
      server,
      options: { output: folder.path },
      run: async ({ download }) => {
        await download(() => void server.answer('GET /se/files', BAD_GATEWAY), { timeoutMs: 50 });
      },
    });
    expect(outcome.error).to.include({ code: 'download-timed-out' });
    expect(outcome.error?.message).to.contain('Its last answer: Bad Gateway');
  });
});
