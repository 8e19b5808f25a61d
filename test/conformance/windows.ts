/** Tests of all kinds of windows that pages and scripts open, with and without an opener. */
import { By, until, type WebDriver } from 'selenium-webdriver';
import { errorName, type Body } from './compare.ts';
import type { Site } from './site.ts';

const WAIT_MS = 10_000;

/** The body of the page in a new window. */
const CHILD = `<p id="child">child</p>`;
const ABOUT_ITSELF = 'return { title: document.title, hasOpener: window.opener !== null, name: window.name };';

export async function waitForWindows(driver: WebDriver, count: number): Promise<string[]> {
  await driver.wait(async () => (await driver.getAllWindowHandles()).length === count, WAIT_MS, `${count} windows`);
  return driver.getAllWindowHandles();
}

/** Switches to the other window, waits until its page is loaded, and returns its title, its name and whether it has an opener. */
async function lookAtNewWindow(driver: WebDriver, url: string): Promise<unknown> {
  const own = await driver.getWindowHandle();
  const handles = await waitForWindows(driver, 2);
  await driver.switchTo().window(handles.find((handle) => handle !== own)!);
  await driver.wait(until.urlIs(url), WAIT_MS);
  return driver.executeScript(ABOUT_ITSELF);
}

/** A body whose script opens `/child`. */
function opens(name: string, script: string, expected: object): Body {
  return {
    name,
    async run(driver, site) {
      const child = site.page('/child', CHILD);
      await driver.get(site.page('/opener'));
      const returned: unknown = await driver.executeScript(script, child);
      return { returned, ...((await lookAtNewWindow(driver, child)) as object) };
    },
    expected: { title: 'child', name: '', ...expected },
  };
}

/** A body whose page opens `/child` when `#open` is clicked. */
function clicks(name: string, html: (child: string) => string, expected: object): Body {
  return {
    name,
    async run(driver, site) {
      const child = site.page('/child', CHILD);
      await driver.get(site.page('/opener', html(child)));
      await driver.findElement(By.id('open')).click();
      return lookAtNewWindow(driver, child);
    },
    expected: { title: 'child', name: '', ...expected },
  };
}

export const windowOpenBodies: readonly Body[] = [
  opens('window.open with a URL opens a page that has an opener', 'return window.open(arguments[0]) !== null', {
    returned: true,
    hasOpener: true,
  }),
  opens(
    'window.open with features opens a popup',
    'return window.open(arguments[0], "pop", "width=300,height=200") !== null',
    {
      returned: true,
      hasOpener: true,
      name: 'pop',
    },
  ),
  opens(
    'window.open with noopener opens a page without an opener',
    'return window.open(arguments[0], "_blank", "noopener")',
    {
      returned: null,
      hasOpener: false,
    },
  ),
  opens('window.open from a timer opens a window', 'setTimeout(() => window.open(arguments[0]), 0)', {
    returned: null,
    hasOpener: true,
  }),
  opens(
    'window.open from a frame opens a window',
    `const frame = document.createElement('iframe'); document.body.append(frame);
     return frame.contentWindow.open(arguments[0]) !== null`,
    { returned: true, hasOpener: true },
  ),
  {
    name: 'a blank window contains the text that its opener wrote',
    async run(driver, site) {
      await driver.get(site.page('/opener'));
      const seen: unknown = await driver.executeScript(`
        const child = window.open('about:blank');
        child.document.write('<title>written</title><p>by the opener</p>');
        child.document.close();
        return { title: child.document.title, isSame: child.opener === window };`);
      const [first, second] = await waitForWindows(driver, 2);
      const own = await driver.getWindowHandle();
      await driver.switchTo().window(own === first ? second! : first!);
      return { seen, text: await driver.findElement(By.css('p')).getText() };
    },
    expected: {
      seen: { title: 'written', isSame: true },
      text: 'by the opener',
    },
  },
  {
    name: 'an opener that waits for its window, exchanges messages with it and closes it continues',
    async run(driver, site) {
      const child = site.page('/child', `<script>opener.postMessage('loaded', '*')</script>`);
      await driver.get(site.page('/opener'));
      const events: unknown = await driver.executeAsyncScript(
        `const [url, done] = arguments;
         const child = window.open(url);
         addEventListener('message', ({ data, source }) => { source.close(); done([data, source === child]); });`,
        child,
      );
      return { events, windows: (await waitForWindows(driver, 1)).length, title: await driver.getTitle() };
    },
    expected: { events: ['loaded', true], windows: 1, title: 'opener' },
  },
];

export const linkBodies: readonly Body[] = [
  clicks(
    'a link with target=_blank opens a page without an opener',
    (url) => `<a id="open" target="_blank" href="${url}">x</a>`,
    {
      hasOpener: false,
    },
  ),
  clicks(
    'a link with rel=opener opens a page with an opener',
    (url) => `<a id="open" target="_blank" rel="opener" href="${url}">x</a>`,
    {
      hasOpener: true,
    },
  ),
  clicks(
    'a link with rel=noreferrer opens a page without an opener',
    (url) => `<a id="open" target="_blank" rel="noreferrer" href="${url}">x</a>`,
    {
      hasOpener: false,
    },
  ),
  clicks(
    'a link with a named target opens a page with an opener',
    (url) => `<a id="open" target="side" href="${url}">x</a>`,
    {
      hasOpener: true,
      name: 'side',
    },
  ),
  ...(['', 'rel="opener"'] as const).map((rel) =>
    clicks(
      `a form with target=_blank ${rel || 'and no rel'} is posted into a new window`,
      (url) =>
        `<form method="post" target="_blank" ${rel} action="${url}"><input name="a" value="1"><button id="open">go</button></form>`,
      { hasOpener: rel !== '' },
    ),
  ),
];

export const windowLifeBodies: readonly Body[] = [
  ...(['tab', 'window'] as const).map((type): Body => ({
    name: `newWindow('${type}') switches to a blank window`,
    async run(driver, site) {
      await driver.get(site.page('/first'));
      const first = await driver.getWindowHandle();
      await driver.switchTo().newWindow(type);
      const url = await driver.getCurrentUrl();
      await driver.get(site.page('/second'));
      const second = await driver.getTitle();
      await driver.switchTo().window(first);
      return { url, second, first: await driver.getTitle(), count: (await driver.getAllWindowHandles()).length };
    },
    expected: { url: 'about:blank', second: 'second', first: 'first', count: 2 },
  })),
  {
    name: 'several windows that are opened at once all load',
    async run(driver, site) {
      const urls = Array.from({ length: 5 }, (_, index) => site.page(`/child${index}`, CHILD));
      await driver.get(site.page('/opener'));
      await driver.executeScript('for (const url of arguments[0]) window.open(url)', urls);
      const titles: string[] = [];
      for (const handle of await waitForWindows(driver, 6)) {
        await driver.switchTo().window(handle);
        await driver.wait(until.titleMatches(/child|opener/), WAIT_MS);
        titles.push(await driver.getTitle());
      }
      return titles.sort();
    },
    expected: ['child0', 'child1', 'child2', 'child3', 'child4', 'opener'],
  },
  {
    name: 'a window that closes itself is gone, and its opener continues',
    async run(driver, site) {
      const child = site.page(
        '/child',
        '<script>addEventListener("load", () => setTimeout(() => window.close(), 0))</script>',
      );
      await driver.get(site.page('/opener'));
      await driver.executeScript('window.child = window.open(arguments[0])', child);
      await driver.wait(() => driver.executeScript('return window.child.closed'), WAIT_MS);
      return {
        windows: (await waitForWindows(driver, 1)).length,
        title: await driver.getTitle(),
        visited: wasVisited(site, '/child'),
      };
    },
    expected: { windows: 1, title: 'opener', visited: true },
  },
  {
    name: 'a current window that closes itself leaves commands without a window until one is selected',
    async run(driver, site) {
      const child = site.page('/child', CHILD);
      await driver.get(site.page('/opener'));
      const opener = await driver.getWindowHandle();
      await driver.executeScript('window.open(arguments[0])', child);
      await lookAtNewWindow(driver, child);
      await driver.executeScript('setTimeout(() => window.close(), 0)');
      await waitForWindows(driver, 1);
      const names = [
        await errorName(driver.getTitle()),
        await errorName(driver.getWindowHandle()),
        await errorName(driver.close()),
      ];
      await driver.switchTo().window(opener);
      return { names, title: await driver.getTitle() };
    },
    expected: { names: ['NoSuchWindowError', 'NoSuchWindowError', 'NoSuchWindowError'], title: 'opener' },
  },
  {
    name: 'a current window that is closed leaves commands without a window until one is selected',
    async run(driver, site) {
      await driver.get(site.page('/first'));
      const first = await driver.getWindowHandle();
      await driver.switchTo().newWindow('tab');
      await driver.close();
      const names = [
        await errorName(driver.getTitle()),
        await errorName(driver.findElement(By.css('p'))),
        await errorName(driver.get(`${site.url}/first`)),
        await errorName(driver.switchTo().window('no such handle')),
      ];
      await driver.switchTo().window(first);
      return { names, title: await driver.getTitle() };
    },
    expected: { names: Array.from({ length: 4 }, () => 'NoSuchWindowError'), title: 'first' },
  },
  {
    name: 'the size and the position of a window are as requested',
    async run(driver) {
      const window = driver.manage().window();
      await window.setRect({ x: 20, y: 30, width: 700, height: 500 });
      const rect = await window.getRect();
      await window.maximize();
      const { width } = await window.getRect();
      await window.fullscreen();
      return { rect, isWider: width > 700 };
    },
    expected: { rect: { x: 20, y: 30, width: 700, height: 500 }, isWider: true },
  },
];

function wasVisited(site: Site, path: string): boolean {
  return site.visits.some((visit) => visit.path === path);
}
