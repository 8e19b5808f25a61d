/** The results of a smoke test as one HTML file. It opens without a server, contains its pictures, and fits a phone. */
import { readFile } from 'node:fs/promises';

import { describeDuration } from '../../core/describe-time.ts';
import { toPlainLine } from '../../core/plain-text.ts';
import { describeResults, type PageResult, type SmokeFacts } from './page-results.ts';

const STYLE = `
  :root { color-scheme: light dark; --line: #8886; --bad: #c62828; --good: #2e7d32; }
  @media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #a5d6a7; } }
  body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.4rem; }
  h2 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
  section { border: 1px solid var(--line); border-left-width: 6px; border-radius: 4px; margin: 1rem 0; padding: .75rem 1rem; }
  .failed { border-left-color: var(--bad); }
  .ok { border-left-color: var(--good); }
  .failed strong { color: var(--bad); }
  .ok strong { color: var(--good); }
  li { overflow-wrap: anywhere; }
  img { border: 1px solid var(--line); height: auto; max-width: 100%; }`;

/** Returns the HTML text. Failed pages come first. A picture that can't be read is left out. */
export async function toHtmlReport(results: readonly PageResult[], facts: SmokeFacts): Promise<string> {
  const { startedAt, durationMs, unchecked } = facts;
  const failed = results.filter(({ passed }) => !passed);
  const passed = results.filter((result) => result.passed);
  const title = `Smoke test of ${describeResults(results, unchecked.urls)}`;
  const sections = await Promise.all([...failed, ...passed].map(toSection));
  const rest = unchecked.urls.map((url) => section('failed', url, { words: 'not checked', lines: [unchecked.reason] }));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${toHtml(title)}</title>
<style>${STYLE}
</style>
<h1>${toHtml(title)}</h1>
<p>Started <time>${startedAt.toISOString()}</time>, took ${describeDuration(durationMs)}.</p>
${[...sections, ...rest].join('\n')}
</html>
`;
}

async function toSection({ url, passed, problems, loadMs, screenshot, attempts }: PageResult): Promise<string> {
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
): string {
  const list = lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${toHtml(line)}</li>`).join('')}</ul>`;
  const image =
    picture === undefined
      ? ''
      : `<img src="data:image/png;base64,${picture.toString('base64')}" alt="${toHtml(`The page ${url}`)}">`;
  return `<section class="${kind}"><h2>${toHtml(url)}</h2><p><strong>${toHtml(words)}</strong></p>${list}${image}</section>`;
}

/** Escapes text for HTML, because texts come from the checked pages. */
function toHtml(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return toPlainLine(text).replace(/[&<>"]/g, (character) => escapes[character] ?? character);
}
