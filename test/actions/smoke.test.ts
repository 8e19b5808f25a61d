import { access } from 'node:fs/promises';
import { expect } from 'chai';
import { runAction } from 'webdriver-supervisor';
import smoke from '../../actions/smoke.ts';
import { makeTemporaryFolder, openSite, readRecords, type Pages } from './site.ts';

interface Row {
  readonly url: string;
  readonly status: number | null;
  readonly title: string | null;
  readonly loadMs: number | null;
  readonly consoleErrors: readonly string[] | null;
  readonly brokenLinks: readonly { readonly url: string; readonly status: number | null }[];
  readonly screenshot: string | null;
  readonly passed: boolean;
  readonly problems: readonly string[];
}

const PAGES: Pages = {
  '/good':
    '<title>Good</title><a href="/good?again">again</a><a href="#part">part</a><a href="https://elsewhere.invalid/">out</a>',
  '/good?again': '<title>Again</title>',
  '/error': '<title>Error</title><script>console.error("on purpose")</script>',
  '/thrown': '<title>Thrown</title><script>setTimeout(() => { throw new Error("a moment later") }, 20)</script>',
  '/gone': { status: 404, html: '<title>Gone</title>' },
  '/empty': { status: 500, html: '' },
  '/untitled': 'No title here.',
  '/links': `<title>Links</title>${Array.from({ length: 12 }, (_, index) => `<a href="/missing/${index}">${index}</a>`).join('')}`,
};

async function check(paths: readonly string[], params: { ignore?: string[] } = {}) {
  await using site = await openSite(PAGES);
  await using output = await makeTemporaryFolder();
  const urls = paths.map((path) => (path.startsWith('http') ? path : site.url + path));
  const outcome = await runAction(smoke, { urls, ...params }, { output: output.path });
  expect(outcome.error).to.equal(null);
  expect(outcome.deaths).to.deep.equal([]);
  expect(outcome.status).to.equal('completed');
  const rows = await readRecords<Row>(outcome.outputs['smoke']);
  expect(rows.map(({ url }) => url)).to.deep.equal(urls);
  for (const { screenshot } of rows) if (screenshot !== null) await access(screenshot);
  return { rows, site };
}

describe('smoke', () => {
  it('passes a good page, without a screenshot', async () => {
    const { rows } = await check(['/good']);
    const { loadMs, ...row } = rows[0]!;
    expect(row).to.include({ status: 200, title: 'Good', screenshot: null, passed: true });
    expect([row.consoleErrors, row.brokenLinks, row.problems]).to.deep.equal([[], [], []]);
    expect(loadMs).to.be.a('number').above(0);
  });

  it('fails pages with a console error, also one that comes after the load, with a screenshot', async () => {
    const { rows } = await check(['/error', '/thrown', '/good']);
    expect(rows.map(({ passed }) => passed)).to.deep.equal([false, false, true]);
    expect(rows[0]?.problems).to.have.length(1);
    expect(rows[0]?.problems[0]).to.match(/^console error: .*"on purpose"$/);
    expect(rows[1]?.problems[0]).to.match(/^console error: .*Uncaught Error: a moment later$/);
    expect(rows.map(({ screenshot }) => screenshot !== null)).to.deep.equal([true, true, false]);
  });

  it('fails a page whose status says so, with or without a body', async () => {
    const { rows } = await check(['/gone', '/empty']);
    expect(rows.map(({ problems }) => problems)).to.deep.equal([['answered 404'], ['answered 500']]);
  });

  it('fails a page without a title', async () => {
    const { rows } = await check(['/untitled']);
    expect(rows[0]?.problems).to.deep.equal(['has no title']);
  });

  it('fails a page with broken links and names each, but not those to be ignored', async () => {
    const { rows, site } = await check(['/links'], { ignore: ['/missing/0', '/missing/1'] });
    expect(rows[0]?.brokenLinks).to.have.length(10);
    expect(rows[0]?.problems[0]).to.equal(`broken link: ${site.url}/missing/2 (404)`);
  });

  it('fails a page that does not load, and goes on with the next', async () => {
    const gone = await openSite({});
    await gone[Symbol.asyncDispose]();
    const { rows } = await check([`${gone.url}/`, '/good']);
    expect(rows.map(({ passed }) => passed)).to.deep.equal([false, true]);
    expect(rows[0]?.problems).to.deep.equal(['did not load: net::ERR_CONNECTION_REFUSED']);
  });
});
