import { expect } from 'chai';
import { openSite } from './site.ts';
import { checkPages } from './smoke-site.ts';

describe('smoke: pages that fail', () => {
  it('fails a page whose status says so, with or without a body', async () => {
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

  it('fails a page that does not load, and goes on with the next', async () => {
    const gone = await openSite({});
    await gone[Symbol.asyncDispose]();
    const { rows } = await checkPages([`${gone.url}/`, '/good']);
    expect(rows.map(({ passed }) => passed)).to.deep.equal([false, true]);
    expect(rows[0]?.problems).to.deep.equal(['did not load: net::ERR_CONNECTION_REFUSED']);
  });
});
