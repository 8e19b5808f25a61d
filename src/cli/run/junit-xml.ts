/** The results of a smoke test as JUnit XML, the one format that every CI service reads. */
import XmlBuilder from 'fast-xml-builder';

import { redactUrl } from '../../core/redact.ts';
import { listAdvice } from '../../model/death-words.ts';
import { describeStoredDeath } from './describe-death.ts';
import type { PageResult, SmokeFacts } from './page-results.ts';
import { toTerminalText } from '../terminal/terminal.ts';

/** Returns JUnit XML with one test case per page. */
export function toJunitXml(
  results: readonly PageResult[],
  { startedAt, durationMs, deaths, recordings, unchecked }: SmokeFacts,
): string {
  const counts = {
    '@tests': results.length + unchecked.urls.length,
    '@failures': results.filter(({ passed }) => !passed).length,
    '@errors': unchecked.urls.length,
    '@skipped': 0,
    '@time': toSeconds(durationMs),
  };
  const error = { '@message': toXmlText(unchecked.reason), '@type': 'not-checked' };
  const cases = [
    ...results.map((result) => toTestCase(result, attachmentsOf(result, { deaths, recordings }))),
    ...unchecked.urls.map((url) => ({ '@classname': 'smoke', '@name': toXmlText(url), '@time': toSeconds(0), error })),
  ];
  // The deaths belong to the browser, and not to one page.
  const lines = [...deaths.map((death) => describeStoredDeath(death, death.evidence.message)), ...listAdvice(deaths)];
  const output = lines.map(toXmlText).join('\n');
  const suite = {
    '@name': 'smoke',
    '@timestamp': startedAt.toISOString(),
    ...counts,
    testcase: cases,
    ...(output !== '' && { 'system-out': output }),
  };
  return builder.build({
    '?xml': { '@version': '1.0', '@encoding': 'UTF-8' },
    testsuites: { '@name': 'smoke', ...counts, testsuite: suite },
  });
}

const builder = new XmlBuilder({
  attributeNamePrefix: '@',
  textNodeName: '#text',
  ignoreAttributes: false,
  suppressEmptyNode: true,
  format: true,
});

/** Returns the files that belong to the check of a page: its screenshot, and the recordings of deaths on it. */
function attachmentsOf(
  { url, passed, screenshot }: PageResult,
  { deaths, recordings }: Pick<SmokeFacts, 'deaths' | 'recordings'>,
): string[] {
  const here = deaths.filter(({ evidence }) => evidence.url === redactUrl(url)).map(({ at }) => at);
  const recorded = recordings.filter(({ at }) => here.includes(at)).map(({ file }) => file);
  return screenshot === null || passed ? recorded : [screenshot, ...recorded];
}

function toTestCase(
  { url, passed, problems, loadMs, screenshot, attempts }: PageResult,
  attachments: readonly string[],
): object {
  const test = { '@classname': 'smoke', '@name': toXmlText(url), '@time': toSeconds(loadMs ?? 0) };
  // GitLab and Jenkins turn this notation into links to the files.
  const links = attachments.map((file) => `[[ATTACHMENT|${file}]]`);
  const again = passed && attempts > 1 ? [`passed at check number ${attempts}`] : [];
  const lines = [...again, ...links].join('\n');
  const output = lines === '' ? {} : { 'system-out': toXmlText(lines) };
  if (passed) return { ...test, ...output };
  const texts = screenshot === null ? problems : [...problems, `screenshot: ${screenshot}`];
  const failure = {
    '@message': toXmlText(problems[0] ?? 'failed'),
    '@type': 'smoke',
    '#text': toXmlText(texts.join('\n')),
  };
  return { ...test, failure, ...output };
}

/**
 * Replaces characters that XML 1.0 can't contain even escaped (its production 2, Char) and those that a terminal interprets. Console
 * messages can contain any characters.
 */
function toXmlText(text: string): string {
  const invalid = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
  return toTerminalText(text.toWellFormed().replace(invalid, '\u{FFFD}'));
}

function toSeconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}
