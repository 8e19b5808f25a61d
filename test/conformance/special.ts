/** Pages that a watched browser might treat differently: workers, prerendering, caches, isolation, other schemes. */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { By, until } from 'selenium-webdriver';
import { errorName, type Body, type SessionBody } from './compare.ts';
import { sendHtml, type Site } from './site.ts';
import { page } from '../../src/testing/fault-pages.ts';

/** The parts of selenium that its types omit. */
interface Authenticator {
  addVirtualAuthenticator(options: object): Promise<void>;
  getCredentials(): Promise<object[]>;
  removeVirtualAuthenticator(): Promise<void>;
}
const { VirtualAuthenticatorOptions } = createRequire(import.meta.url)(
  'selenium-webdriver/lib/virtual_authenticator.js',
) as {
  VirtualAuthenticatorOptions: new () => Record<
    'setProtocol' | 'setHasResidentKey' | 'setHasUserVerification' | 'setIsUserVerified',
    (value: unknown) => void
  >;
};

const WAIT_MS = 10_000;

function serveScript(site: Site, name: string, source: string): string {
  return site.answer(name, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(source);
  });
}

/** Serves a page with special headers. */
function serveWith(site: Site, name: string, headers: Record<string, string>): string {
  return site.answer(name, (_request, response) => {
    for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
    sendHtml(response, page(name.slice(1), ''));
  });
}

const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

export const specialBodies: readonly Body[] = [
  {
    name: 'workers, shared workers and service workers answer',
    async run(driver, site) {
      serveScript(site, '/worker.js', 'onmessage = ({ data }) => postMessage(data + 1)');
      serveScript(site, '/shared.js', 'onconnect = ({ ports: [port] }) => port.postMessage("shared")');
      serveScript(
        site,
        '/service.js',
        'onactivate = (e) => e.waitUntil(clients.claim()); onfetch = (e) => { if (e.request.url.endsWith("/made")) e.respondWith(new Response("by worker")); }',
      );
      await driver.get(site.page('/page'));
      return driver.executeAsyncScript(`
        const done = arguments[0];
        (async () => {
          const next = (target) => new Promise((resolve) => { target.onmessage = ({ data }) => resolve(data); });
          const worker = new Worker('/worker.js');
          const fromWorker = next(worker);
          worker.postMessage(1);
          const fromShared = next(new SharedWorker('/shared.js').port);
          const controlled = new Promise((resolve) => { navigator.serviceWorker.oncontrollerchange = resolve; });
          const registration = await navigator.serviceWorker.register('/service.js');
          await controlled;
          const made = await (await fetch('/made')).text();
          const values = [await fromWorker, await fromShared, made];
          await registration.unregister();
          return values;
        })().then(done, (error) => done(String(error)));`);
    },
    expected: [2, 'shared', 'by worker'],
  },
  {
    name: 'a debugger statement stops nothing',
    async run(driver, site) {
      await driver.get(site.page('/page', '<script>debugger; document.title = "passed";</script>'));
      return [await driver.getTitle(), await driver.executeScript('debugger; return 1')];
    },
    expected: ['passed', 1],
  },
  {
    name: 'the cache of left pages behaves the same',
    async run(driver, site) {
      const keep = site.page(
        '/keep',
        '<script>addEventListener("pageshow", ({ persisted }) => { window.persisted = persisted; }); window.mark = Math.random();</script>',
      );
      await driver.get(keep);
      const mark: unknown = await driver.executeScript('return window.mark');
      await driver.get(site.page('/next'));
      await driver.navigate().back();
      await driver.wait(until.titleIs('keep'), WAIT_MS);
      const [persisted, isSame] = await driver.executeScript<unknown[]>(
        'return [window.persisted, window.mark === arguments[0]]',
        mark,
      );
      return { persisted, isSame };
    },
    expected: (value: object) =>
      expectTrue(
        Object.values(value).every((one) => typeof one === 'boolean'),
        value,
      ),
  },
  {
    name: 'an isolated page is isolated, and opens a window without an opener',
    async run(driver, site) {
      await driver.get(site.page('/plain'));
      await driver.get(serveWith(site, '/isolated', ISOLATED));
      const isIsolated: unknown = await driver.executeScript('return crossOriginIsolated');
      const other = site.page('/other').replace('127.0.0.1', 'localhost');
      await driver.executeScript('window.open(arguments[0])', other);
      await driver.wait(async () => (await driver.getAllWindowHandles()).length === 2, WAIT_MS);
      const own = await driver.getWindowHandle();
      const handle = (await driver.getAllWindowHandles()).find((one) => one !== own)!;
      await driver.switchTo().window(handle);
      await driver.wait(until.titleIs('other'), WAIT_MS);
      const hasOpener: unknown = await driver.executeScript('return window.opener !== null');
      await driver.get(serveWith(site, '/again', ISOLATED));
      return {
        isIsolated,
        hasOpener,
        again: await driver.executeScript('return crossOriginIsolated'),
        isSameHandle: (await driver.getWindowHandle()) === handle,
      };
    },
    expected: { isIsolated: true, hasOpener: false, again: true, isSameHandle: true },
  },
  {
    name: 'a posted form is posted again by a refresh',
    async run(driver, site) {
      site.page('/done');
      await driver.get(
        site.page('/page', '<form method="post" action="/done"><input name="a" value="1"><button>x</button></form>'),
      );
      await driver.findElement(By.css('button')).click();
      await driver.wait(until.titleIs('done'), WAIT_MS);
      const refreshed = await errorName(driver.navigate().refresh());
      return {
        refreshed,
        posts: site.visits.filter(({ path: to }) => to === '/done').map(({ method, body }) => `${method} ${body}`),
      };
    },
    expected: { refreshed: 'no error: null', posts: ['POST a=1', 'POST a=1'] },
  },
  {
    name: 'pages of other schemes are opened',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      const blob = await driver.executeScript<string>(
        'return URL.createObjectURL(new Blob(["<title>blob</title>"], { type: "text/html" }))',
      );
      const titles: string[] = [];
      for (const url of [
        blob,
        'data:text/html,<title>data</title>',
        'about:blank',
        `view-source:${site.url}/page`,
        'chrome://version/',
        'javascript:void 0',
      ]) {
        const name = await errorName(driver.get(url));
        titles.push(`${name} ${site.relative(await driver.getTitle())}`);
      }
      return titles;
    },
    expected: (titles: string[]) =>
      expectTrue(titles[0] === 'no error: null blob' && titles[1] === 'no error: null data', titles),
  },
  {
    name: 'an alert during the load of a page blocks it, and is handled by default',
    async run(driver, site) {
      const loaded = await errorName(
        driver.get(site.page('/page', '<script>alert("boo"); document.title = "after";</script>')),
      );
      const title = await errorName(driver.getTitle());
      return { loaded, title, next: await errorName(driver.getTitle()) };
    },
    expected: (value: { next: string }) => expectTrue(value.next === 'no error: "after"', value),
  },
  {
    name: 'a window with a page that asks before it is left is closed',
    async run(driver, site) {
      await driver.get(site.page('/first'));
      const first = await driver.getWindowHandle();
      await driver.switchTo().newWindow('tab');
      await driver.get(
        site.page('/second', '<input><script>onbeforeunload = (event) => event.preventDefault()</script>'),
      );
      await driver.findElement(By.css('input')).sendKeys('x');
      const closed = (await errorName(driver.close())).startsWith('no error');
      await driver.switchTo().window(first);
      return { closed, title: await driver.getTitle(), count: (await driver.getAllWindowHandles()).length };
    },
    expected: { closed: true, title: 'first', count: 1 },
  },
  {
    name: 'a minimized window is hidden, and shown again',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      const look = () => driver.executeScript('return document.visibilityState');
      await driver.manage().window().minimize();
      const minimized = await look();
      await driver.manage().window().setRect({ width: 640, height: 480 });
      return [minimized, await look()];
    },
    expected: (states: string[]) => expectTrue(states[1] === 'visible', states),
  },
  {
    name: 'storage belongs to its window or to its site',
    async run(driver, site) {
      const url = site.page('/page');
      await driver.get(url);
      await driver.executeScript(
        'sessionStorage.setItem("s", "1"); localStorage.setItem("l", "2"); window.heard = []; addEventListener("storage", ({ key, newValue }) => heard.push([key, newValue]))',
      );
      const first = await driver.getWindowHandle();
      await driver.switchTo().newWindow('tab');
      await driver.get(url);
      const there: unknown = await driver.executeScript(
        'localStorage.setItem("l", "3"); return [sessionStorage.getItem("s"), sessionStorage.length, localStorage.length]',
      );
      await driver.switchTo().window(first);
      await driver.wait(() => driver.executeScript('return heard.length > 0'), WAIT_MS);
      const here: unknown = await driver.executeScript(
        'const all = heard; localStorage.clear(); return [sessionStorage.getItem("s"), all]',
      );
      return { there, here };
    },
    expected: { there: [null, 0, 2 - 1], here: ['1', [['l', '3']]] },
  },
  {
    name: 'a page with an endless stream of events is loaded, and its events arrive',
    async run(driver, site) {
      site.answer(
        '/events',
        (_request, response) =>
          void response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n'),
      );
      await driver.get(
        site.page(
          '/page',
          '<script>new EventSource("/events").onmessage = ({ data }) => { document.title = data; }</script>',
        ),
      );
      await driver.wait(until.titleIs('hello'), WAIT_MS);
      return driver.getTitle();
    },
    expected: 'hello',
  },
  {
    name: 'a page that opens and closes windows in a row leaves one',
    async run(driver, site) {
      const child = site.page('/child', '<script>onload = () => opener.postMessage("up", "*")</script>');
      await driver.get(site.page('/opener'));
      const count: unknown = await driver.executeAsyncScript(
        `const [url, done] = arguments;
         let count = 0;
         addEventListener('message', ({ source }) => { source.close(); count += 1; if (count === 8) done(count); else window.open(url); });
         window.open(url);`,
        child,
      );
      await driver.wait(async () => (await driver.getAllWindowHandles()).length === 1, WAIT_MS);
      return { count, title: await driver.getTitle() };
    },
    expected: { count: 8, title: 'opener' },
  },
];

export const specialSessionBodies: readonly SessionBody[] = [
  {
    name: 'a link to a page with a prerender rule opens it once',
    async run({ start, site }) {
      const { driver } = await start();
      const target = site.page('/target');
      const rules = JSON.stringify({ prerender: [{ urls: ['/target'], eagerness: 'immediate' }] });
      await driver.get(site.page('/page', `<a href="/target">x</a><script type="speculationrules">${rules}</script>`));
      await site.visit('/target');
      await driver.findElement(By.css('a')).click();
      await driver.wait(until.urlIs(target), WAIT_MS);
      const visits = site.visits.filter(({ path: to }) => to === '/target').length;
      return { visits, title: await driver.getTitle(), windows: (await driver.getAllWindowHandles()).length };
    },
    expected: { visits: 1, title: 'target', windows: 1 },
  },
  ...(['--incognito', '--remote-debugging-pipe', '--site-per-process'] as const).map((argument): SessionBody => ({
    name: `a browser with ${argument} opens pages, windows and cookies`,
    async run({ start, site }) {
      const { driver } = await start((options) => void options.addArguments(argument));
      await driver.get(site.page('/page', '<p>x</p>'));
      await driver.manage().addCookie({ name: 'a', value: '1' });
      await driver.executeScript('window.open(arguments[0])', site.page('/child'));
      await site.visit('/child');
      await driver.switchTo().newWindow('tab');
      await driver.get(`${site.url}/page`);
      const cookies = (await driver.manage().getCookies()).map(({ name }) => name);
      const count = (await driver.getAllWindowHandles()).length;
      return { cookies, count, title: await driver.getTitle(), quit: await errorName(driver.quit()) };
    },
    // The driver opens its own windows outside of the private context.
    expected: {
      cookies: argument === '--incognito' ? [] : ['a'],
      count: 3,
      title: 'page',
      quit: 'no error: undefined',
    },
  })),
  {
    name: 'a driver that joins a running browser uses it, and leaves it running',
    async run({ start, site }) {
      const { driver: owner } = await start();
      await owner.get(site.page('/page'));
      const { debuggerAddress } = (await owner.getCapabilities()).get('goog:chromeOptions') as {
        debuggerAddress: string;
      };
      const { driver: guest } = await start((options) => void options.debuggerAddress(debuggerAddress));
      const title = await guest.getTitle();
      await guest.get(site.page('/next'));
      const quit = await errorName(guest.quit());
      return { title, quit, after: await errorName(owner.getTitle()) };
    },
    expected: { title: 'page', quit: 'no error: undefined', after: 'no error: "next"' },
  },
  {
    name: 'a virtual authenticator creates credentials',
    async run({ start, site }) {
      const { driver } = await start();
      const options = new VirtualAuthenticatorOptions();
      options.setProtocol('ctap2');
      options.setHasResidentKey(true);
      options.setHasUserVerification(true);
      options.setIsUserVerified(true);
      await driver.get(site.page('/page').replace('127.0.0.1', 'localhost'));
      const authenticator = driver as unknown as Authenticator;
      await authenticator.addVirtualAuthenticator(options);
      const kind: unknown = await driver.executeAsyncScript(`
        navigator.credentials.create({ publicKey: {
          challenge: new Uint8Array(16), rp: { name: 'x' }, user: { id: new Uint8Array(8), name: 'ann', displayName: 'ann' },
          pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        } }).then(({ type }) => arguments[0](type), (error) => arguments[0](String(error)))`);
      const count = (await authenticator.getCredentials()).length;
      await authenticator.removeVirtualAuthenticator();
      return { kind, count };
    },
    expected: { kind: 'public-key', count: 1 },
  },
  {
    name: 'a local file is opened',
    async run({ start, folder }) {
      const { driver } = await start();
      const file = path.join(folder, 'a.html');
      writeFileSync(file, '<title>file</title><p>x</p>');
      await driver.get(`file://${file}`);
      return [await driver.getTitle(), await errorName(driver.manage().addCookie({ name: 'a', value: 'b' }))];
    },
    expected: (values: string[]) => expectTrue(values[0] === 'file', values),
  },
  {
    name: 'capabilities have the same values, except those that belong to one session',
    async run({ start }) {
      const { driver } = await start();
      const own = new Set(['goog:processID', 'chrome', 'goog:chromeOptions']);
      const capabilities = await driver.getCapabilities();
      const names = [...capabilities.keys()].filter((name) => !own.has(name)).sort();
      const session = await driver.getSession();
      return {
        values: names.map((name) => [name, capabilities.get(name) as unknown]),
        id: session.getId().length,
        type: driver.constructor.name,
      };
    },
    expected: ({ id }: { id: number }) => expectTrue(id === 32, id),
  },
];

function expectTrue(isTrue: boolean, value: unknown): void {
  if (!isTrue) throw new Error(`not expected: ${JSON.stringify(value)}`);
}
