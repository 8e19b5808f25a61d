/** The results of a smoke test as one HTML file. It opens without a server, contains its pictures, and fits a phone. */
import { readFile } from 'node:fs/promises';

import { describeDuration } from '../../core/describe-time.ts';
import { html, toImageAddress, type Html } from '../../core/html.ts';
import { toHtmlPage } from '../../core/html-page.ts';
import { describeResults, type PageResult, type SmokeFacts } from './page-results.ts';

/** Returns the HTML text. Failed pages come first. A picture that can't be read is left out. */
export async function toHtmlReport(results: readonly PageResult[], facts: SmokeFacts): Promise<string> {
  const { startedAt, durationMs, unchecked } = facts;
  const failed = results.filter(({ passed }) => !passed);
  const passed = results.filter((result) => result.passed);
  const title = `Smoke test of ${describeResults(results, unchecked.urls)}`;
  const sections = await Promise.all([...failed, ...passed].map(toSection));
  const rest = unchecked.urls.map((url) => section('failed', url, { words: 'not checked', lines: [unchecked.reason] }));
  const body = html`<h1>${title}</h1>
    <p class="muted">Started <time>${startedAt.toISOString()}</time>, took ${describeDuration(durationMs)}.</p>
    ${[...sections, ...rest]}`;
  return toHtmlPage({ title, body });
}

async function toSection({ url, passed, problems, loadMs, screenshot, attempts }: PageResult): Promise<Html> {
  const loaded = loadMs === null ? [] : [`loaded in ${loadMs} ms`];
  const again = attempts > 1 ? [`checked ${attempts} times`] : [];
  const words = [passed ? 'ok' : 'failed', ...loaded, ...again].join(', ');
  const picture = screenshot === null ? undefined : await readFile(screenshot).catch(() => undefined);
  return section(passed ? 'ok' : 'failed', url, { words, lines: problems, picture });
}

function section(
  kind: 'ok' | 'failed',
  url: string,
  {
    words,
    lines,
    picture,
  }: { readonly words: string; readonly lines: readonly string[]; readonly picture?: Buffer | undefined },
): Html {
  const list =
    lines.length === 0
      ? null
      : html`<ul>
          ${lines.map((line) => html`<li>${line}</li>`)}
        </ul>`;
  const address = picture && toImageAddress('png', picture.toString('base64'));
  const image = address && html`<img src="${address}" alt="The page ${url}" />`;
  return html`<section class="${kind}">
    <h2>${url}</h2>
    <p><strong>${words}</strong></p>
    ${list}${image}
  </section> `;
}
