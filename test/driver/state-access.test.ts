import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';
import { By } from 'selenium-webdriver';

import { diffStates, EMPTY_STATE, type BrowserState } from '../../src/driver/state/browser-state.ts';
import { localBrowser } from './support/local-browser.ts';
import { openSession } from './support/sessions.ts';

const BODY = `
  <script>document.documentElement.dataset.seen = JSON.stringify([{ ...localStorage }, { ...sessionStorage }]);</script>
  <form method="post" action="/answer"><button id="post">post</button></form>
  <form method="post" action="/again"><button id="again">post, redirected to itself</button></form>
  <form method="get" action="/found"><input name="q" value="1"><button id="get">get</button></form>
  <button id="more" onclick="document.body.append('more')">more</button><input id="text">
  <a id="push" href="#" onclick="history.pushState({}, '', '/pushed'); return false">push</a><iframe srcdoc="inside"></iframe>`;

describe('The state of a session, on a real browser', () => {
  let site: Server;
  let url: string;
  let s: Awaited<ReturnType<typeof openSession>>;

  before(async () => {
    site = createServer((request, response) => {
      request.resume();
      if (request.method === 'POST' && request.url === '/again') {
        response.writeHead(302, { location: '/again' }).end();
        return;
      }
      if (request.url === '/login')
        response.setHeader('set-cookie', ['id=secret; HttpOnly; Path=/', 'theme=dark; Max-Age=600']);
      response.setHeader('content-type', 'text/html').end(`<!doctype html><title>${request.method}</title>${BODY}`);
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    s = await openSession(await localBrowser());
  });

  after(async () => {
    await s[Symbol.asyncDispose]();
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  const capture = async (): Promise<BrowserState> => {
    const state = await s.session.browserState.capture();
    if (state === undefined) throw new Error('there is no state');
    return state;
  };
  const click = (id: string) => s.driver.findElement(By.id(id)).click();

  it('contains the cookies of all sites, HttpOnly included, and the storage of the visited origins', async () => {
    await s.driver.get(`${url}/login`);
    await s.driver.executeScript(
      'localStorage.token = "t"; sessionStorage.tab = "s"; localStorage.old = 1; delete localStorage.old',
    );
    await s.driver.get(`${url.replace('127.0.0.1', 'localhost')}/`);
    await s.driver.executeScript('localStorage.other = "o"');
    const { cookies, origins } = await capture();
    expect(cookies.map(({ name, value, httpOnly }) => ({ name, value, httpOnly }))).to.have.deep.members([
      { name: 'id', value: 'secret', httpOnly: true },
      { name: 'theme', value: 'dark', httpOnly: false },
    ]);
    expect([...(origins.get(url)?.local ?? [])]).to.deep.equal([['token', 't']]);
    expect([...(origins.get(url)?.session ?? [])]).to.deep.equal([['tab', 's']]);
    expect([...(origins.get(url.replace('127.0.0.1', 'localhost'))?.local ?? [])]).to.deep.equal([['other', 'o']]);
  });

  it('is read before a command leaves the origin, and the commands behind it keep their order', async () => {
    const other = `${url.replace('127.0.0.1', 'localhost')}/`;
    await s.driver.get(`${url}/`);
    await Promise.all([s.driver.get(other), s.driver.get(`${url}/`)]);
    expect(await s.driver.getCurrentUrl()).to.equal(`${url}/`);
  });

  it('is restored in a new session before the page runs its own scripts', async () => {
    await using next = await openSession(await localBrowser());
    const state = await capture();
    expect(await next.session.browserState.apply(diffStates(EMPTY_STATE, state))).to.deep.equal([]);
    await next.driver.get(`${url}/`);
    const seen = await next.driver.executeScript<string>('return document.documentElement.dataset.seen');
    expect(JSON.parse(seen)).to.deep.equal([{ token: 't' }, { tab: 's' }]);
    expect(await next.driver.executeScript('return history.length')).to.be.at.most(2);
    const restored = await next.session.browserState.capture();
    expect(restored?.cookies.map(({ name, value }) => `${name}=${value}`)).to.have.members(['id=secret', 'theme=dark']);
    expect(await next.driver.getAllWindowHandles()).to.have.length(1);
  });

  it('removes a missing cookie and a missing item from the session that it is applied to', async () => {
    await s.driver.get(`${url}/login`);
    await s.driver.executeScript('localStorage.gone = "g"');
    const before = await capture();
    const local = new Map([...(before.origins.get(url)?.local ?? [])].filter(([key]) => key !== 'gone'));
    const after: BrowserState = {
      ...before,
      cookies: before.cookies.filter(({ name }) => name !== 'theme'),
      origins: new Map(before.origins).set(url, { local, session: before.origins.get(url)?.session ?? new Map() }),
    };
    await s.session.browserState.apply(diffStates(before, after));
    const now = await capture();
    expect(now.cookies.map(({ name }) => name)).to.deep.equal(['id']);
    expect(now.origins.get(url)?.local.has('gone')).to.equal(false);
  });

  for (const [what, path, act, obstacle] of [
    ['a page opened by its URL can be opened again', '/', undefined, null],
    ['the answer to a POST can not be opened again', '/answer', () => click('post'), 'post'],
    [
      'a page that a POST redirected to can be opened again, also at the same URL',
      '/again',
      () => click('again'),
      null,
    ],
    ['the answer to a form sent by GET can be opened again', '/found?q=1', () => click('get'), null],
    ['a page with a URL that a script changed can be opened again', '/pushed', () => click('push'), null],
    ['a frame within a page can not be opened again', '/', () => s.driver.switchTo().frame(0), 'frame'],
  ] as const) {
    it(`reports that ${what}`, async () => {
      await s.driver.get(`${url}/`);
      await act?.();
      const { page } = await capture();
      expect({ url: page?.url, obstacle: page?.obstacle }).to.deep.equal({ url: `${url}${path}`, obstacle });
      await s.driver.switchTo().defaultContent();
    });
  }

  it('contains a fingerprint only for a page that commands may have changed', async () => {
    await s.driver.get(`${url}/`);
    await s.driver.findElement(By.id('text')).getAttribute('value');
    expect((await capture()).page?.fingerprint).to.equal(null);
    await click('more');
    const changed = (await capture()).page?.fingerprint;
    await s.driver.findElement(By.id('text')).sendKeys('typed');
    const typed = (await capture()).page?.fingerprint;
    await s.driver.get(`${url}/`);
    const fresh = await s.session.browserState.fingerprint();
    expect(new Set([changed, typed, fresh, null])).to.have.length(4);
    await click('more');
    expect((await capture()).page?.fingerprint).to.equal(changed);
  });

  it('contains the size of the window after a command has set it', async () => {
    expect((await capture()).windowSize).to.equal(null);
    await s.driver.manage().window().setRect({ width: 640, height: 480 });
    expect((await capture()).windowSize).to.deep.equal({ width: 640, height: 480 });
    await using next = await openSession(await localBrowser());
    await next.session.browserState.apply(diffStates(EMPTY_STATE, await capture()));
    expect(await next.driver.manage().window().getRect()).to.include({ width: 640, height: 480 });
  });

  it('is read while the page is busy, without waiting for it', async () => {
    await s.driver.get(`${url}/`);
    const script = s.driver.executeScript('const end = Date.now() + 8000; while (Date.now() < end); return "ended"');
    const ended = script.then(() => 'script');
    const first = await Promise.race([ended, s.driver.getTitle().then(() => 'title'), capture().then(() => 'state')]);
    expect(first).to.equal('state');
    await ended;
  });
});
