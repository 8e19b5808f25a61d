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
  readonly dialogs: readonly string[];
  readonly screenshot: string | null;
  readonly attempts: number;
  readonly passed: boolean;
  readonly problems: readonly string[];
}

interface SmokeParams {
  readonly ignore: string[];
  readonly retries: number;
  readonly loadSeconds: number;
  readonly screenshots: 'failed' | 'all';
}

/** The pages of the site under test. */
const PAGES: Pages = {
  '/good':
    '<title>Good</title><a href="/good?again">again</a><a href="#part">part</a><a href="https://elsewhere.invalid/">out</a>',
  '/good?again': '<title>Again</title>',
  '/error': '<title>Error</title><script>console.error("on purpose")</script>',
  '/thrown': '<title>Thrown</title><script>setTimeout(() => { throw new Error("a moment later") }, 20)</script>',
  '/gone': { status: 404, html: '<title>Gone</title>' },
  '/empty': { status: 500, html: '' },
  '/untitled': 'No title here.',
  '/alert': '<title>Alert</title><script>alert("Hello"); confirm("Sure?")</script>',
  '/late-prompt': '<title>Prompt</title><script>setTimeout(() => prompt("Your name?"), 60)</script>',
  '/endless-alerts': '<title>Alerts</title><script>for (;;) alert("Again")</script>',
  '/links': `<title>Links</title>${Array.from({ length: 12 }, (_, index) => `<a href="/missing/${index}">${index}</a>`).join('')}`,
};

/** Runs the action over the paths of the site, or URLs, and reads a row of each. */
export async function checkPages(paths: readonly string[], params: Partial<SmokeParams> = {}) {
  await using site = await openSite(PAGES);
  await using output = await makeTemporaryFolder();
  const urls = paths.map((path) => (path.startsWith('/') ? site.url + path : path));
  const outcome = await runAction(smoke, { urls, ...params }, { output: output.path });
  expect(outcome.error).to.equal(null);
  expect(outcome.deaths).to.deep.equal([]);
  expect(outcome.status).to.equal('completed');
  const rows = await readRecords<Row>(outcome.outputs['smoke']);
  expect(rows.map(({ url }) => url)).to.deep.equal(urls);
  for (const { screenshot } of rows) if (screenshot !== null) await access(screenshot);
  return { rows, site };
}
