import { expect } from 'chai';
import { toJunitXml } from '../../../src/cli/run/junit-xml.ts';
import type { PageResult, SmokeFacts } from '../../../src/cli/run/page-results.ts';
import { makeDeath } from '../../support/make-death.ts';

const PASSED: PageResult = {
  url: 'http://site/?a=1&b="2"',
  passed: true,
  problems: [],
  loadMs: 1234,
  screenshot: null,
  attempts: 1,
};
const FAILED: PageResult = {
  url: 'http://site/<x>',
  passed: false,
  problems: ['console error: "a" < \'b\' & \u0000\u001B[31m\uD800 ]]>', 'answered 404'],
  loadMs: null,
  screenshot: 'output/1.png',
  attempts: 1,
};

const NO_TROUBLE: SmokeFacts = {
  startedAt: new Date(),
  durationMs: 0,
  deaths: [],
  recordings: [],
  unchecked: { urls: [], reason: '' },
};

describe('junit report', () => {
  it('has a test case per page, escapes markup and replaces characters that XML can’t contain', () => {
    const xml = toJunitXml([PASSED, FAILED], {
      startedAt: new Date('2026-01-02T03:04:05.678Z'),
      durationMs: 5_678,
      deaths: [],
      recordings: [],
      unchecked: { urls: ['http://site/late'], reason: 'The run was cancelled.' },
    });
    const facts = 'tests="3" failures="1" errors="1" skipped="0" time="5.678"';
    const problem = 'console error: &quot;a&quot; &lt; &apos;b&apos; &amp; \uFFFD\uFFFD[31m\uFFFD ]]&gt;';
    expect(xml.trim().split('\n')).to.deep.equal([
      '<?xml version="1.0" encoding="UTF-8"?>',
      `<testsuites name="smoke" ${facts}>`,
      `  <testsuite name="smoke" timestamp="2026-01-02T03:04:05.678Z" ${facts}>`,
      '    <testcase classname="smoke" name="http://site/?a=1&amp;b=&quot;2&quot;" time="1.234"/>',
      '    <testcase classname="smoke" name="http://site/&lt;x&gt;" time="0.000">',
      `      <failure message="${problem}" type="smoke">${problem}`,
      'answered 404',
      'screenshot: output/1.png</failure>',
      '      <system-out>[[ATTACHMENT|output/1.png]]</system-out>',
      '    </testcase>',
      '    <testcase classname="smoke" name="http://site/late" time="0.000">',
      '      <error message="The run was cancelled." type="not-checked"/>',
      '    </testcase>',
      '  </testsuite>',
      '</testsuites>',
    ]);
  });

  it('contains the number of checks of a page that passed only after a retry', () => {
    const xml = toJunitXml([{ ...PASSED, attempts: 3 }], NO_TROUBLE);
    expect(xml).to.include('<system-out>passed at check number 3</system-out>');
  });

  it('attaches the recordings of deaths on a page to its test case, also if it passed later', () => {
    const death = makeDeath({ evidence: { message: 'gone', url: PASSED.url, lastCommands: [] } });
    const recordings = [
      { at: death.at, file: 'output/deaths/1/report.html' },
      { at: '2026-11-20T18:15:59.000Z', file: 'output/deaths/2/report.html' },
    ];
    const xml = toJunitXml([{ ...PASSED, attempts: 2 }, FAILED], { ...NO_TROUBLE, deaths: [death], recordings });
    expect(xml).to.include(
      '<system-out>passed at check number 2\n[[ATTACHMENT|output/deaths/1/report.html]]</system-out>',
    );
    expect(xml).not.to.include('deaths/2');
  });

  it('names the deaths of the test with their reasons', () => {
    const diagnosis = {
      reason: 'disk-full',
      confidence: 'certain',
      evidence: ['0 MB free'],
      advice: 'Free space.',
    } as const;
    const xml = toJunitXml([PASSED], { ...NO_TROUBLE, deaths: [makeDeath({ diagnosis })] });
    expect(xml).to.match(
      /<system-out>browser-gone, noticed by devtools at .+; disk-full: 0 MB free\nFree space\.<\/system-out>\n {2}<\/testsuite>/,
    );
  });
});
