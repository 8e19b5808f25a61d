import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { toHtmlReport } from '../../../src/cli/run/html-report.ts';

describe('The HTML report of a smoke test', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'report-'));
  const picture = path.join(folder, '1.png');
  writeFileSync(picture, 'PNG');
  after(() => rmSync(folder, { recursive: true }));

  const page = { url: 'http://site/', passed: true, problems: [], loadMs: 12, screenshot: picture, attempts: 1 };
  const facts = {
    startedAt: new Date(0),
    durationMs: 1_500,
    deaths: [],
    recordings: [],
    unchecked: { urls: ['http://site/late'], reason: 'Stopped.' },
  };

  it('lists the failed pages first, each with its screenshot in the file', async () => {
    const failed = { ...page, url: 'http://site/bad', passed: false, problems: ['has no title'], attempts: 2 };
    const html = await toHtmlReport([page, failed], facts);
    expect(html).to.include('<h1>Smoke test of 3 pages: 1 ok, 1 failed, 1 not checked</h1>');
    expect(html.indexOf('http://site/bad')).to.be.below(html.indexOf('http://site/</h2>'));
    expect(html.match(/data:image\/png;base64,UE5H/g)).to.have.length(2);
    expect(html).to.include('<strong>failed, loaded in 12 ms, checked 2 times</strong>');
    expect(html).to.include('<li>Stopped.</li>');
  });

  it('shows texts of pages as plain text', async () => {
    const problems = ['console error: <script>alert("x")</script> & \u001B[31m'];
    const html = await toHtmlReport([{ ...page, passed: false, problems, screenshot: '/nowhere.png' }], facts);
    expect(html).to.include('<li>console error: &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; ');
    expect(html).not.to.include('<script>');
    expect(html).not.to.include('\u001B');
    expect(html).not.to.include('<img');
  });
});
