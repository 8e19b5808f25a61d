/** The results of a smoke test as JUnit XML, the one format that every CI service reads. */
import XmlBuilder from 'fast-xml-builder';

import { describeStoredDeath } from './describe-death.ts';
import type { PageResult, SmokeFacts } from './page-results.ts';
import { toTerminalText } from '../terminal/terminal.ts';

/** Returns JUnit XML with one test case per page. */
export function toJunitXml(
  results: readonly PageResult[],
  { startedAt, durationMs, deaths, unchecked }: SmokeFacts,
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
    ...results.map(toTestCase),
    ...unchecked.urls.map((url) => ({ '@classname': 'smoke', '@name': toXmlText(url), '@time': toSeconds(0), error })),
  ];
  // The deaths belong to the browser, and not to one page.
  const output = deaths.map((death) => toXmlText(describeStoredDeath(death, death.evidence.message))).join('\n');
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

function toTestCase({ url, passed, problems, loadMs, screenshot, attempts }: PageResult): object {
  const test = { '@classname': 'smoke', '@name': toXmlText(url), '@time': toSeconds(loadMs ?? 0) };
  if (passed) return attempts > 1 ? { ...test, 'system-out': `passed at check number ${attempts}` } : test;
  const lines = screenshot === null ? problems : [...problems, `screenshot: ${screenshot}`];
  const failure = {
    '@message': toXmlText(problems[0] ?? 'failed'),
    '@type': 'smoke',
    '#text': toXmlText(lines.join('\n')),
  };
  // The notation that GitLab and Jenkins turn into a link to the file.
  const attachment = screenshot === null ? {} : { 'system-out': toXmlText(`[[ATTACHMENT|${screenshot}]]`) };
  return { ...test, failure, ...attachment };
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
