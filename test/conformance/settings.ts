/** Sessions with special settings: profiles, extensions, proxies, certificates, mobile devices, and the facts that pages see. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { By, until } from 'selenium-webdriver';
import { LocalServer } from '../../src/testing/local-server.ts';
import { page } from '../../src/testing/fault-pages.ts';
import { SELF_SIGNED } from '../support/self-signed.ts';
import { localBrowser } from '../driver/support/local-browser.ts';
import { errorName, type SessionBody } from './compare.ts';
import { sendHtml } from './site.ts';

/** Opens an https server with a self-signed certificate. */
async function openUntrustedSite(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer(SELF_SIGNED, (_request, response) => sendHtml(response, page('secret', '')));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Writes an unpacked extension that marks each page. */
function writeExtension(folder: string): string {
  const extension = path.join(folder, 'extension');
  mkdirSync(extension);
  const scripts = [{ matches: ['<all_urls>'], js: ['mark.js'] }];
  writeFileSync(
    path.join(extension, 'manifest.json'),
    JSON.stringify({ manifest_version: 3, name: 'mark', version: '1', content_scripts: scripts }),
  );
  writeFileSync(path.join(extension, 'mark.js'), 'document.documentElement.dataset.mark = "extension"');
  return extension;
}

export const settingsBodies: readonly SessionBody[] = [
  {
    name: 'a profile folder stores cookies and storage for the next session',
    async run({ start, site, folder }) {
      const profile = path.join(folder, 'profile');
      const withProfile = () => start((options) => options.addArguments(`--user-data-dir=${profile}`));
      const { driver: first } = await withProfile();
      await first.get(site.page('/page'));
      await first.manage().addCookie({ name: 'kept', value: '1', expiry: new Date(Date.now() + 3_600_000) });
      await first.executeScript('localStorage.setItem("a", "b")');
      await first.quit();
      const { driver: second } = await withProfile();
      await second.get(`${site.url}/page`);
      const cookies = (await second.manage().getCookies()).map(({ name, value }) => [name, value]);
      return { cookies, stored: await second.executeScript('return localStorage.getItem("a")') };
    },
    expected: { cookies: [['kept', '1']], stored: 'b' },
  },
  {
    name: 'an unpacked extension is loaded by a switch',
    async run({ start, site, folder }) {
      const extension = writeExtension(folder);
      const { driver } = await start((options) => options.addArguments(`--load-extension=${extension}`));
      await driver.get(site.page('/page'));
      await driver.wait(until.elementLocated(By.css('[data-mark=extension]')), 10_000);
      return driver.findElement(By.css('html')).getAttribute('data-mark');
    },
    expected: 'extension',
  },
  {
    name: 'a packed extension is loaded by addExtensions',
    async run({ start, site, folder }) {
      const extension = writeExtension(folder);
      const { browserPath } = await localBrowser();
      const switches = ['--headless=new', '--no-sandbox', `--user-data-dir=${path.join(folder, 'packer')}`];
      execFileSync(browserPath, [...switches, `--pack-extension=${extension}`], { stdio: 'ignore' });
      const { driver } = await start((options) => void options.addExtensions(`${extension}.crx`));
      await driver.get(site.page('/page'));
      await driver.wait(until.elementLocated(By.css('[data-mark=extension]')), 10_000);
      return driver.findElement(By.css('html')).getAttribute('data-mark');
    },
    expected: 'extension',
  },
  {
    name: 'a proxy gets the requests of pages',
    async run({ start }) {
      await using cleanup = new AsyncDisposableStack();
      const proxy = await LocalServer.open();
      cleanup.defer(() => proxy.close());
      const seen: string[] = [];
      proxy.serve((request, response) => {
        if (request.url?.startsWith('http://site.test/')) seen.push(`${request.method} ${request.url}`);
        sendHtml(response, page('by proxy', ''));
      });
      const address = `127.0.0.1:${proxy.port}`;
      const { driver } = await start(
        (options) => void options.setProxy({ proxyType: 'manual', httpProxy: address, sslProxy: address }),
      );
      await driver.get('http://site.test/a');
      return { title: await driver.getTitle(), seen: seen.filter((line) => !line.includes('favicon')) };
    },
    expected: { title: 'by proxy', seen: ['GET http://site.test/a'] },
  },
  {
    name: 'an untrusted certificate is refused, and accepted if that is requested',
    async run({ start }) {
      await using site = await openUntrustedSite();
      const { driver: careful } = await start();
      const refused = [await errorName(careful.get(site.url)), await careful.getTitle()];
      const { driver } = await start((options) => void options.setAcceptInsecureCerts(true));
      await driver.get(site.url);
      return { refused, title: await driver.getTitle() };
    },
    expected: { refused: ['no error: null', 'Privacy error'], title: 'secret' },
  },
  {
    name: 'a mobile device is emulated, in new windows too',
    async run({ start, site }) {
      const { driver } = await start((options) => {
        const deviceMetrics = { width: 360, height: 640, pixelRatio: 3, touch: true };
        options.setMobileEmulation({ deviceMetrics, userAgent: 'mobile' } as never);
      });
      const url = site.page(
        '/page',
        '<meta name="viewport" content="width=device-width"><button onclick="document.title = &quot;clicked&quot;">x</button>',
      );
      const look = () =>
        driver.executeScript(
          'return [innerWidth, devicePixelRatio, navigator.userAgent, navigator.maxTouchPoints > 0, "ontouchstart" in window]',
        );
      await driver.get(url);
      const here = await look();
      await driver.findElement(By.css('button')).click();
      const title = await driver.getTitle();
      await driver.switchTo().newWindow('tab');
      await driver.get(url);
      return { here, title, there: await look() };
    },
    expected: { here: [360, 3, 'mobile', true, true], title: 'clicked', there: [360, 3, 'mobile', true, true] },
  },
  {
    name: 'axe-core finds the same violations on a page',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page', '<img src="data:,"><input><p style="color: #eee">pale</p>'));
      const source = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
      await driver.executeScript(source);
      const faults = await driver.executeAsyncScript<string[]>(
        'axe.run().then(({ violations }) => arguments[0](violations.map(({ id }) => id)))',
      );
      return faults.sort();
    },
    expected: (faults: string[]) =>
      expectTrue(
        ['image-alt', 'label', 'color-contrast'].every((id) => faults.includes(id)),
        faults,
      ),
  },
  {
    name: 'capabilities, switches and preferences of the user take effect',
    async run({ start, site }) {
      const { driver } = await start((options) => {
        options.addArguments('--lang=de', '--window-size=901,702', '--force-device-scale-factor=2');
        options.setUserPreferences({
          intl: { accept_languages: 'fr,de' },
          webkit: { webprefs: { default_font_size: 33 } },
        });
        options.set('timeouts', { script: 1_234, pageLoad: 23_456, implicit: 12 });
        options.set('strictFileInteractability', true);
      });
      await driver.get(site.page('/page', '<p>x</p>'));
      const seen: unknown = await driver.executeScript(
        'return [navigator.languages, outerWidth, outerHeight, devicePixelRatio, getComputedStyle(document.body).fontSize]',
      );
      const capabilities = await driver.getCapabilities();
      const names = [...capabilities.keys()].sort();
      return {
        seen,
        names,
        timeouts: await driver.manage().getTimeouts(),
        language: site.visits[0]?.headers['accept-language'],
      };
    },
    expected: (value: { seen: unknown; timeouts: object }) =>
      expectTrue(
        JSON.stringify(value.seen) === '[["fr","de"],901,702,2,"33px"]' &&
          JSON.stringify(value.timeouts) === '{"implicit":12,"pageLoad":23456,"script":1234}',
        value,
      ),
  },
  {
    name: 'pages see the same browser',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page', '<p>x</p>'));
      const headers = { ...site.visits[0]?.headers };
      delete headers.host;
      const seen: unknown = await driver.executeScript(`
        const canvas = document.createElement('canvas');
        return {
          globals: Object.getOwnPropertyNames(window).filter((name) => !/^cdc_/.test(name)).sort(),
          marks: Object.keys(document).concat(Object.keys(document.documentElement.dataset)),
          navigator: [navigator.webdriver, navigator.userAgent, navigator.languages, navigator.platform, navigator.plugins.length,
            navigator.hardwareConcurrency, navigator.onLine, navigator.cookieEnabled, navigator.pdfViewerEnabled],
          window: [innerWidth, innerHeight, outerWidth, outerHeight, screen.width, screen.height, devicePixelRatio, document.hasFocus(), document.visibilityState],
          stack: (() => { try { null.x } catch (error) { return error.stack.split('\\n').length } })(),
          webgl: canvas.getContext('webgl') !== null,
        };`);
      return { headers, seen };
    },
    expected: (value: { seen: { navigator: unknown[] } }) => expectTrue(value.seen.navigator[0] === true, value),
  },
  {
    name: 'a page that detects DevTools by a logged object gets the same result',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page'));
      return driver.executeScript(`
        let reads = 0;
        const bait = new Error();
        Object.defineProperty(bait, 'stack', { get: () => { reads += 1; return ''; } });
        console.log(bait);
        console.debug(bait);
        return reads;`);
    },
    expected: (reads: number) => expectTrue(Number.isInteger(reads), reads),
  },
];

function expectTrue(isTrue: boolean, value: unknown): void {
  if (!isTrue) throw new Error(`not expected: ${JSON.stringify(value)}`);
}
