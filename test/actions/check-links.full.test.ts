import { expect } from 'chai';
import type { SessionSupervisor } from 'webdriver-supervisor';
import { openDemoShop } from '../../scripts/demo-shop/demo-shop.ts';
import { findBrokenLinks } from './broken-links.ts';
import { openSite, whenReached, type Pages } from './site.ts';

const page = (body: string): string => `<!doctype html><title>Page</title>${body}`;

describe('check-links, at length', () => {
  it('ends with the same report when its browser is killed half-way', async () => {
    await using shop = await openDemoShop({ pages: 12 });
    let browser: SessionSupervisor | undefined;
    const killed = whenReached(
      () => shop.requests.catalog >= 4,
      () => process.kill(browser?.pids.browser ?? 0, 'SIGKILL'),
    );
    const { broken, outcome } = await findBrokenLinks(shop.url, {}, (supervisor) => (browser = supervisor));
    await killed;
    expect(outcome.deaths.map(({ cause }) => cause)).to.deep.equal(['browser-gone']);
    expect(outcome.counts.done).to.equal(outcome.counts.total);
    const clearance = `${shop.url}/clearance`;
    expect(broken).to.deep.equal([
      { url: clearance, status: 404, reason: 'Not Found', foundOn: `${shop.url}/`, pages: 16 },
    ]);
  });

  it('reads links as a browser does: base, entities, quotes, comments, scripts', async () => {
    const pages: Pages = {
      '/': page(`<base href="/deep/"><a href=plain>1</a> <A HREF='single?a=1&amp;b=2#part'>2</A>
        <!-- <a href="/commented"> --> <script>const text = '<a href="/scripted">';</script>
        <a href="mailto:a@b.c"> <a href="javascript:void 0"> <a href="data:,x"> <a href="#top"> <a title="no > link" href="../up">
        <a data-href="/data" name="x"> <link rel="preconnect" href="/preconnect"> <img alt="" src="&#x2F;picture.png">`),
      '/deep/': page(''),
      '/deep/plain': page(''),
      '/up': page(''),
    };
    await using site = await openSite(pages);
    const { broken } = await findBrokenLinks(`${site.url}/`);
    // If the page has a base URL, even "#top" leads to another page.
    expect(site.requests.map(({ method, path }) => `${method} ${path}`)).to.include('GET /deep/');
    expect(broken.map(({ url }) => url)).to.deep.equal([`${site.url}/deep/single?a=1&b=2`, `${site.url}/picture.png`]);
  });

  it('asks for pages by GET and for resources by HEAD, each once', async () => {
    await using site = await openSite({
      '/': page('<a href="/a">a</a><a href="/b">b</a><img src="/picture">'),
      '/a': page('<a href="/">home</a><a href="/b">b</a><img src="/picture">'),
      '/b': page('<a href="/a#part">a</a><img src="/picture">'),
      '/picture': 'a picture',
    });
    const { broken } = await findBrokenLinks(`${site.url}/`);
    expect(broken).to.deep.equal([]);
    const asked = site.requests.map(({ method, path }) => `${method} ${path}`);
    expect(asked.filter((request) => request === 'GET /a')).to.have.length(1);
    expect(asked.filter((request) => request === 'GET /b')).to.have.length(1);
    expect(asked.filter((request) => request === 'HEAD /picture')).to.have.length(1);
  });

  it('reads no more pages than the parameter allows', async () => {
    await using site = await openSite({
      '/': page('<a href="/1">1</a>'),
      '/1': page('<a href="/2">2</a>'),
      '/2': page('<a href="/3">3</a>'),
    });
    const { outcome, broken } = await findBrokenLinks(`${site.url}/`, { maxPages: 2 });
    expect(broken).to.deep.equal([]);
    expect(outcome.counts.total).to.equal(2);
  });

  it('pauses between two requests to the site as long as it is told', async () => {
    const links = Array.from({ length: 6 }, (_unused, index) => `/${index}`);
    await using site = await openSite({
      '/': page(links.map((link) => `<a href="${link}">x</a>`).join('')),
      ...Object.fromEntries(links.map((link) => [link, page('')])),
    });
    await findBrokenLinks(`${site.url}/`, { delayMs: 100 });
    const cameAt = site.requests.filter(({ path }) => links.includes(path)).map(({ atMs }) => atMs);
    expect(cameAt).to.have.length(6);
    // Requests are delayed on their way, each by another time.
    expect(cameAt.at(-1)! - cameAt[0]!).to.be.at.least(450);
  });

  it('checks other sites only if the parameter is set, and reports a site that does not answer without a status', async () => {
    // No server listens on this port, because its server has just closed.
    const gone = await openSite({});
    await gone[Symbol.asyncDispose]();
    await using site = await openSite({ '/': page(`<a href="${gone.url}/page">elsewhere</a>`) });
    expect((await findBrokenLinks(`${site.url}/`)).broken).to.deep.equal([]);
    const { broken } = await findBrokenLinks(`${site.url}/`, { external: true });
    expect(broken).to.have.length(1);
    expect(broken[0]).to.include({ url: `${gone.url}/page`, status: null, foundOn: `${site.url}/` });
    expect(broken[0]?.reason).to.contain('ECONNREFUSED');
  });
});
