import { expect } from 'chai';
import { By } from 'selenium-webdriver';

import { diffStates, EMPTY_STATE, type BrowserState } from '../../src/driver/state/browser-state.ts';
import { startDisguisedDriver, type DisguisedDriver } from '../support/disguised-driver.ts';
import { eventually } from '../support/eventually.ts';
import { openStateSite, type StateSite } from '../support/state-site.ts';
import { openSession } from './support/sessions.ts';

const SEEN = 'return JSON.parse(document.documentElement.dataset.seen)';

for (const [way, bidi] of [
  ['over BiDi', true],
  ['by WebDriver commands', false],
] as const) {
  describe(`The state of a session without DevTools, read ${way}, on a real browser`, () => {
    let site: StateSite;
    let driver: DisguisedDriver;
    let s: Awaited<ReturnType<typeof open>>;

    const open = () => openSession({ kind: 'endpoint', url: driver.url }, { browser: { browserName: 'firefox' } });
    const capture = async (): Promise<BrowserState> => {
      const state = await s.session.browserState.capture();
      if (state === undefined) throw new Error('there is no state');
      return state;
    };
    const click = (id: string) => s.driver.findElement(By.id(id)).click();

    before(async () => {
      site = await openStateSite();
      driver = await startDisguisedDriver({ bidi });
      s = await open();
    });

    after(async () => {
      await s[Symbol.asyncDispose]();
      await driver[Symbol.asyncDispose]();
      await site[Symbol.asyncDispose]();
    });

    it('contains the cookies of the sites, HttpOnly included, and the storage of the pages that were read', async () => {
      await s.driver.get(`${site.url}/login`);
      await s.driver.executeScript('localStorage.token = "t"; sessionStorage.tab = "s"');
      await capture();
      await s.driver.get(`${site.otherUrl}/login`);
      await s.driver.executeScript('localStorage.other = "o"');
      const { cookies, origins, page } = await capture();
      expect(
        cookies.map(({ name, value, domain, httpOnly }) => ({ name, value, domain, httpOnly })),
      ).to.have.deep.members(
        ['127.0.0.1', 'localhost'].flatMap((domain) => [
          { name: 'id', value: 'secret', domain, httpOnly: true },
          { name: 'theme', value: 'dark', domain, httpOnly: false },
        ]),
      );
      expect([...(origins.get(site.url)?.local ?? [])]).to.deep.equal([['token', 't']]);
      expect([...(origins.get(site.url)?.session ?? [])]).to.deep.equal([['tab', 's']]);
      expect([...(origins.get(site.otherUrl)?.local ?? [])]).to.deep.equal([['other', 'o']]);
      expect(page).to.include({ url: `${site.otherUrl}/login`, obstacle: null });
    });

    it('is available to pages in a new session', async () => {
      await using next = await open();
      expect(await next.session.browserState.apply(diffStates(EMPTY_STATE, await capture()))).to.deep.equal([]);
      const count = site.visits.length;
      await next.driver.get(`${site.url}/page`);
      expect(await next.driver.executeScript(SEEN)).to.deep.equal([{ token: 't' }, { tab: 's' }]);
      await next.driver.get(`${site.otherUrl}/page`);
      expect(await next.driver.executeScript(SEEN)).to.deep.equal([{ other: 'o' }, {}]);
      const cookies = 'id=secret; theme=dark';
      expect(site.visits.slice(count)).to.deep.equal([`GET /page ${cookies}`, `GET /page ${cookies}`]);
    });

    it('removes a missing cookie and a missing item from the session that it is applied to', async () => {
      await s.driver.get(`${site.url}/login`);
      await s.driver.executeScript('localStorage.gone = "g"');
      const before = await capture();
      const { local = new Map(), session = new Map() } = before.origins.get(site.url) ?? {};
      const after: BrowserState = {
        ...before,
        cookies: before.cookies.filter(({ name, domain }) => name !== 'theme' || domain !== '127.0.0.1'),
        origins: new Map(before.origins).set(site.url, {
          local: new Map([...local].filter(([key]) => key !== 'gone')),
          session,
        }),
      };
      await s.session.browserState.apply(diffStates(before, after));
      const count = site.visits.length;
      await s.driver.get(`${site.url}/page`);
      expect(site.visits.slice(count)).to.deep.equal(['GET /page id=secret']);
      expect(await s.driver.executeScript(SEEN)).to.deep.equal([{ token: 't' }, { tab: 's' }]);
    });

    it('is read without closing an alert of the page', async () => {
      await s.driver.get(`${site.url}/page`);
      await s.driver.executeScript('setTimeout(() => alert("boo"))');
      await s.driver.wait(
        async () =>
          (await s.driver
            .switchTo()
            .alert()
            .catch(() => undefined)) !== undefined,
      );
      const state = await s.session.browserState.capture();
      expect(state === undefined).to.equal(!bidi);
      expect(await s.driver.switchTo().alert().getText()).to.equal('boo');
      await s.driver.switchTo().alert().accept();
    });

    it("is read without leaving the driver's current frame, and reports that the page can’t be opened again with it", async () => {
      await s.driver.get(`${site.url}/page`);
      await s.driver.switchTo().frame(0);
      const { page, cookies } = await capture();
      expect(page).to.include({ url: `${site.url}/page`, obstacle: 'frame' });
      expect(cookies.map(({ name }) => name)).to.include('id');
      expect(await s.driver.findElement(By.id('within')).getText()).to.equal('inside');
      await s.driver.switchTo().defaultContent();
    });

    it('contains a fingerprint only for a page that commands may have changed', async () => {
      await s.driver.get(`${site.url}/page`);
      await s.driver.findElement(By.id('text')).getAttribute('value');
      expect((await capture()).page?.fingerprint).to.equal(null);
      await click('more');
      const changed = (await capture()).page?.fingerprint;
      await s.driver.get(`${site.url}/page`);
      const fresh = await s.session.browserState.fingerprint();
      expect(new Set([changed, fresh, null])).to.have.length(3);
      await click('more');
      expect((await capture()).page?.fingerprint).to.equal(changed);
    });

    it('is known for the page until a command may have changed it', async () => {
      await s.driver.get(`${site.url}/page`);
      expect(s.session.browserState.known?.page).to.equal(undefined);
      const { page } = await capture();
      await s.driver.getTitle();
      expect(s.session.browserState.known?.page).to.deep.equal(page);
      await click('more');
      expect(s.session.browserState.known?.page).to.equal(undefined);
    });

    it('contains the size of the window after a command has set it', async () => {
      expect((await capture()).windowSize).to.equal(null);
      await s.driver.manage().window().setRect({ width: 640, height: 480 });
      const state = await capture();
      expect(state.windowSize).to.deep.equal({ width: 640, height: 480 });
      await using next = await open();
      await next.session.browserState.apply(diffStates(EMPTY_STATE, state));
      expect(await next.driver.manage().window().getRect()).to.include({ width: 640, height: 480 });
      expect((await next.session.browserState.capture())?.windowSize).to.deep.equal({ width: 640, height: 480 });
    });

    it('is read without commands of the user: neither the hook nor the evidence of a death contains one', async () => {
      const { activity } = s.session.browserState;
      await capture();
      expect(s.session.browserState.activity).to.equal(activity);
      const isOwn = (line: string) => /GET \/cookie/.test(line);
      expect(s.session.evidence('').lastCommands.filter(isOwn)).to.deep.equal([]);
      expect(driver.commands.some(isOwn)).to.equal(!bidi);
    });

    it(`${bidi ? 'is' : 'is not'} read in the background while a command is in flight`, async () => {
      await s.driver.get(`${site.url}/page`);
      const script = s.driver.executeAsyncScript('const [done] = arguments; setTimeout(done, 500, "ended")');
      const isSent = () => Promise.resolve(driver.commands.at(-1) === 'POST /execute/async');
      await eventually(isSent, 'the command');
      const state = s.session.browserState.capture({ isBackground: true });
      expect((await state) === undefined).to.equal(!bidi);
      expect(await script).to.equal('ended');
    });
  });
}

describe('A host-only cookie without DevTools', () => {
  it('remains a cookie of its host only when it is restored over BiDi', async () => {
    await using driver = await startDisguisedDriver({ bidi: true });
    await using s = await openSession({ kind: 'endpoint', url: driver.url }, { browser: { browserName: 'firefox' } });
    const cookie = { value: 'v', path: '/', expires: -1, httpOnly: true, secure: false } as const;
    const cookies = [
      { ...cookie, name: 'host', domain: 'a.example.test', sameSite: 'Lax' as const },
      { ...cookie, name: 'site', domain: '.example.test' },
    ];
    await s.session.browserState.apply(diffStates(EMPTY_STATE, { ...EMPTY_STATE, cookies }));
    const state = await s.session.browserState.capture();
    expect(state?.cookies).to.have.deep.members(cookies);
  });
});
