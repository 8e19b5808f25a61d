/** Frames, elements, shadow roots, cookies, pictures and prints of pages. */
import { expect } from 'chai';
import { By, until } from 'selenium-webdriver';
import { errorName, type Body } from './compare.ts';

const WAIT_MS = 10_000;

export const frameBodies: readonly Body[] = [
  {
    name: 'a frame is entered by index, id, element, and left by parent and top',
    async run(driver, site) {
      const inner = site.page('/inner', '<p>inner</p>');
      const middle = site.page('/middle', `<p>middle</p><iframe id="i" src="${inner}"></iframe>`);
      await driver.get(site.page('/outer', `<p>outer</p><iframe id="m" src="${middle}"></iframe>`));
      const texts: string[] = [];
      const note = async () => texts.push(await driver.findElement(By.css('p')).getText());
      await driver.switchTo().frame(0);
      await note();
      await driver.switchTo().frame(await driver.findElement(By.id('i')));
      await note();
      await driver.switchTo().parentFrame();
      await note();
      await driver.switchTo().defaultContent();
      await note();
      return texts;
    },
    expected: ['middle', 'inner', 'middle', 'outer'],
  },
  {
    name: 'a frame that removes itself leaves commands to its parent page',
    async run(driver, site) {
      const inner = site.page('/inner', '<p>inner</p>');
      await driver.get(site.page('/outer', `<iframe id="m" src="${inner}"></iframe>`));
      await driver.switchTo().frame(0);
      await driver.executeScript('parent.document.getElementById("m").remove()').catch(() => undefined);
      const names = [
        await errorName(driver.findElement(By.css('p'))),
        await errorName(driver.executeScript('return 1')),
        await errorName(driver.getTitle()),
      ];
      await driver.switchTo().defaultContent();
      return { names, title: await driver.getTitle() };
    },
    expected: { names: ['NoSuchElementError', 'no error: 1', 'no error: "outer"'], title: 'outer' },
  },
  {
    name: 'a frame of another site is entered, and is not found after it was removed',
    async run(driver, site) {
      site.page('/inner', '<p>inner</p>');
      const other = `http://localhost:${site.port}/inner`;
      await driver.get(
        site.page(
          '/outer',
          `<iframe src="${other}"></iframe><button onclick="this.previousElementSibling.remove()">x</button>`,
        ),
      );
      await driver.switchTo().frame(0);
      const text = await driver.findElement(By.css('p')).getText();
      await driver.executeScript('parent.postMessage("", "*")');
      await driver.switchTo().defaultContent();
      await driver.executeScript('setTimeout(() => document.querySelector("iframe").remove(), 0)');
      await driver.wait(async () => (await driver.findElements(By.css('iframe'))).length === 0, WAIT_MS);
      return { text, name: await errorName(driver.switchTo().frame(0)) };
    },
    expected: { text: 'inner', name: 'NoSuchFrameError' },
  },
];

export const elementBodies: readonly Body[] = [
  {
    name: 'an element is stale after its page was left, and after it was removed',
    async run(driver, site) {
      await driver.get(site.page('/page', '<p>text</p><b>x</b>'));
      const [first, second] = [await driver.findElement(By.css('p')), await driver.findElement(By.css('b'))];
      await driver.executeScript('arguments[0].remove()', second);
      const removed = await errorName(second.getText());
      await driver.navigate().refresh();
      return {
        removed,
        left: await errorName(first.getText()),
        isStale: await driver.wait(until.stalenessOf(first), WAIT_MS),
      };
    },
    expected: { removed: 'StaleElementReferenceError', left: 'StaleElementReferenceError', isStale: true },
  },
  {
    name: 'a shadow root is found, searched, and distinguished from an element without one',
    async run(driver, site) {
      await driver.get(site.page('/page', '<div id="host"></div><p></p>'));
      await driver.executeScript('host.attachShadow({ mode: "open" }).innerHTML = "<b>deep</b>"');
      const root = await driver.findElement(By.id('host')).getShadowRoot();
      const text = await (await root.findElement(By.css('b'))).getText();
      const missing = await errorName(root.findElement(By.css('i')));
      const none = await errorName(driver.findElement(By.css('p')).getShadowRoot());
      await driver.executeScript('host.remove()');
      return { text, missing, none, detached: await errorName(root.findElement(By.css('b'))) };
    },
    expected: {
      text: 'deep',
      missing: 'NoSuchElementError',
      none: 'NoSuchShadowRootError',
      detached: 'DetachedShadowRootError',
    },
  },
  {
    name: 'an element returns its text, attributes, properties, style, role, name and rectangle',
    async run(driver, site) {
      const html =
        '<input id="a" type="checkbox" checked disabled aria-label="mark" style="color: red; position: absolute; left: 10px; top: 20px; width: 30px; height: 40px; margin: 0">';
      await driver.get(site.page('/page', html));
      const element = await driver.findElement(By.id('a'));
      return {
        tag: await element.getTagName(),
        attribute: await element.getAttribute('checked'),
        dom: await element.getDomAttribute('type'),
        property: await element.getProperty('checked'),
        missing: await element.getAttribute('nothing'),
        color: await element.getCssValue('color'),
        role: await element.getAriaRole(),
        label: await element.getAccessibleName(),
        states: [await element.isSelected(), await element.isEnabled(), await element.isDisplayed()],
        rect: await element.getRect(),
      };
    },
    expected: {
      tag: 'input',
      attribute: 'true',
      dom: 'checkbox',
      property: true,
      missing: null,
      color: 'rgba(255, 0, 0, 1)',
      role: 'checkbox',
      label: 'mark',
      states: [true, false, true],
      rect: { x: 10, y: 20, width: 30, height: 40 },
    },
  },
];

export const cookieBodies: readonly Body[] = [
  {
    name: 'cookies are set, read, sent, and deleted',
    async run(driver, site) {
      site.answer('/set', (_request, response) => {
        response
          .writeHead(200, { 'set-cookie': ['a=1; Path=/; HttpOnly', 'b=2; Path=/set; SameSite=Strict'] })
          .end('ok');
      });
      const echo = site.page('/echo');
      await driver.get(`${site.url}/set`);
      await driver
        .manage()
        .addCookie({ name: 'c', value: 'x y', path: '/', sameSite: 'Lax', expiry: new Date(Date.now() + 3_600_000) });
      const all = (await driver.manage().getCookies()).map(({ expiry, ...cookie }) => ({
        ...cookie,
        expires: expiry !== undefined,
      }));
      await driver.get(echo);
      const sent = site.visits
        .find(({ path }) => path === '/echo')
        ?.headers.cookie?.split('; ')
        .sort();
      const one = await driver.manage().getCookie('a');
      const none = await errorName(Promise.resolve(driver.manage().getCookie('nothing')));
      await driver.manage().deleteCookie('a');
      const left = (await driver.manage().getCookies()).map(({ name }) => name);
      await driver.manage().deleteAllCookies();
      return {
        all: all.sort((x, y) => (x.name < y.name ? -1 : 1)),
        sent,
        one: one?.value,
        none,
        left,
        end: await driver.manage().getCookies(),
      };
    },
    expected: {
      all: [
        {
          domain: '127.0.0.1',
          expires: false,
          httpOnly: true,
          name: 'a',
          path: '/',
          sameSite: 'Lax',
          secure: false,
          value: '1',
        },
        {
          domain: '127.0.0.1',
          expires: false,
          httpOnly: false,
          name: 'b',
          path: '/set',
          sameSite: 'Strict',
          secure: false,
          value: '2',
        },
        {
          domain: '127.0.0.1',
          expires: true,
          httpOnly: false,
          name: 'c',
          path: '/',
          sameSite: 'Lax',
          secure: false,
          value: 'x y',
        },
      ],
      sent: ['a=1', 'c=x y'],
      one: '1',
      none: 'NoSuchCookieError',
      left: ['c'],
      end: [],
    },
  },
];

/** Returns whether the text is base64 of a PNG, and the size of the picture. */
function pngOf(base64: string): { isPng: boolean; width: number; height: number } {
  const bytes = Buffer.from(base64, 'base64');
  return {
    isPng: bytes.subarray(1, 4).toString() === 'PNG',
    width: bytes.readUInt32BE(16),
    height: bytes.readUInt32BE(20),
  };
}

export const pictureBodies: readonly Body[] = [
  {
    name: 'pictures of the page and of an element have their sizes',
    async run(driver, site) {
      await driver.manage().window().setRect({ width: 800, height: 600 });
      await driver.get(
        site.page(
          '/page',
          '<div style="width: 120px; height: 80px; background: blue"></div><p style="height: 3000px">long</p>',
        ),
      );
      const inner = await driver.executeScript<[number, number]>(
        'return [document.documentElement.clientWidth, innerHeight]',
      );
      const page = pngOf(await driver.takeScreenshot());
      const element = pngOf(await driver.findElement(By.css('div')).takeScreenshot(true));
      return { page, isViewport: page.height === inner[1], element };
    },
    expected: (value: { page: { isPng: boolean }; isViewport: boolean; element: object }) => {
      expect(value.element).to.deep.equal({ isPng: true, width: 120, height: 80 });
      expect(value.page.isPng).to.equal(true);
      expect(value.isViewport).to.equal(true);
    },
  },
  {
    name: 'a printed page is a PDF with the requested pages',
    async run(driver, site) {
      await driver.get(
        site.page('/page', '<p style="break-after: page">one</p><p style="break-after: page">two</p><p>three</p>'),
      );
      // The types of printPage require every option, and omit the return value.
      const print = (options: object) => driver.printPage(options as never) as unknown as Promise<string>;
      const count = async (options: object) => {
        const pdf = Buffer.from(await print(options), 'base64').toString('latin1');
        return { isPdf: pdf.startsWith('%PDF'), pages: pdf.match(/\/Type\s*\/Page\b/g)?.length };
      };
      return [
        await count({}),
        await count({ pageRanges: ['1-2'] }),
        await count({ orientation: 'landscape', scale: 0.5 }),
        await errorName(print({ scale: 99 })),
      ];
    },
    expected: [{ isPdf: true, pages: 3 }, { isPdf: true, pages: 2 }, { isPdf: true, pages: 3 }, 'InvalidArgumentError'],
  },
];
