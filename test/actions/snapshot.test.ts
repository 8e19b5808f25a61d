import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { runAction } from 'webdriver-supervisor';
import snapshot from '../../actions/snapshot.ts';
import { makeTemporaryFolder, openSite, readRecords } from './site.ts';

interface Snapshot {
  readonly url: string;
  readonly title: string;
  readonly screenshot: string;
  readonly pdf: string;
}

describe('snapshot', () => {
  it('writes a PNG of the asked size and a PDF of each page', async () => {
    await using site = await openSite({ '/one': '<title>One</title>', '/one?x': '<title>Two</title>' });
    await using output = await makeTemporaryFolder();
    const urls = [`${site.url}/one`, `${site.url}/one?x`];
    const outcome = await runAction(snapshot, { urls, width: 800, height: 600 }, { output: output.path });
    expect(outcome.error).to.equal(null);
    const rows = await readRecords<Snapshot>(outcome.outputs['records']);
    expect(rows.map(({ url, title }) => [url, title])).to.deep.equal([
      [urls[0], 'One'],
      [urls[1], 'Two'],
    ]);
    expect(new Set(rows.flatMap((row) => [row.screenshot, row.pdf]))).to.have.property('size', 4);
    for (const { screenshot, pdf } of rows) {
      const png = await readFile(screenshot);
      expect(png.subarray(0, 8).toString('latin1')).to.equal('\x89PNG\r\n\x1a\n');
      expect(png.readUInt32BE(16)).to.equal(800);
      expect((await readFile(pdf)).subarray(0, 5).toString('latin1')).to.equal('%PDF-');
    }
  });

  it('takes the other pages when one does not load', async () => {
    const gone = await openSite({});
    await gone[Symbol.asyncDispose]();
    await using site = await openSite({ '/': '<title>Here</title>' });
    await using output = await makeTemporaryFolder();
    const outcome = await runAction(snapshot, { urls: [`${gone.url}/`, `${site.url}/`] }, { output: output.path });
    expect(outcome.status).to.equal('partial');
    expect(outcome.counts).to.include({ total: 2, done: 1, failed: 1 });
    expect(await readRecords<Snapshot>(outcome.outputs['records'])).to.have.length(1);
  });
});
