import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';
import { openSite } from './site.ts';
import { checkPages } from './smoke-site.ts';

describe('smoke: pages that fail', () => {
  it('fails a page with an error status, with or without a body', async () => {
    const { rows } = await checkPages(['/gone', '/empty']);
    expect(rows.map(({ problems }) => problems)).to.deep.equal([['answered 404'], ['answered 500']]);
  });

  it('fails a page without a title', async () => {
    const { rows } = await checkPages(['/untitled']);
    expect(rows[0]?.problems).to.deep.equal(['has no title']);
  });

  it('fails a page with broken links and names each, but not those to be ignored', async () => {
    const { rows, site } = await checkPages(['/links'], { ignore: ['/missing/0', '/missing/1'] });
    expect(rows[0]?.brokenLinks).to.have.length(10);
    expect(rows[0]?.problems[0]).to.equal(`broken link: ${site.url}/missing/2 (404)`);
  });

  it('checks the links of a page that was opened from a file', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'smoke-'));
    const links = ['good.html', 'gone.html'].map((name) => `<a href="${name}">${name}</a>`).join('');
    for (const name of ['links.html', 'good.html'])
      await writeFile(join(folder.path, name), `<!doctype html><title>${name}</title>${links}`);
    const { rows } = await checkPages([pathToFileURL(join(folder.path, 'links.html')).href]);
    const missing = pathToFileURL(join(folder.path, 'gone.html')).href;
    expect(rows[0]?.problems).to.deep.equal([`broken link: ${missing} (404)`]);
  });

  it('fails a page that does not load, and checks the next one', async () => {
    const gone = await openSite({});
    await gone[Symbol.asyncDispose]();
    const { rows } = await checkPages([`${gone.url}/`, '/good']);
    expect(rows.map(({ passed }) => passed)).to.deep.equal([false, true]);
    expect(rows[0]?.problems).to.deep.equal([
      'did not load: the server does not accept connections (ERR_CONNECTION_REFUSED)',
    ]);
  });

  it('fails a page that opens dialogs, with the text of each', async () => {
    const { rows } = await checkPages(['/alert', '/late-prompt', '/good']);
    expect(rows.map(({ dialogs }) => dialogs)).to.deep.equal([['Hello', 'Sure?'], ['Your name?'], []]);
    expect(rows[1]?.problems).to.deep.equal(['opened a dialog: "Your name?"']);
    expect(rows[2]?.passed).to.equal(true);
  });

  it('fails a page that opens dialogs without end', async () => {
    const { rows } = await checkPages(['/endless-alerts', '/good'], { loadSeconds: 5 });
    expect(rows[0]?.problems.at(-1)).to.equal('opened a dialog: "Again"');
    expect(rows.map(({ passed }) => passed)).to.deep.equal([false, true]);
  });

  it('checks a page that fails again, as often as it was asked to, and stores the last result', async () => {
    const { rows } = await checkPages(['/gone', '/good'], { retries: 2 });
    expect(rows.map(({ attempts, passed }) => ({ attempts, passed }))).to.deep.equal([
      { attempts: 3, passed: false },
      { attempts: 1, passed: true },
    ]);
  });

  it('photographs pages that pass too, if asked to', async () => {
    const { rows } = await checkPages(['/good'], { screenshots: 'all' });
    expect(rows[0]).to.include({ passed: true });
    expect(rows[0]?.screenshot).to.be.a('string');
  });
});
