/** Frames, elements, shadow roots, scripts, waits, cookies, pictures and prints of pages. */
import { expect } from 'chai';
import { By, until, type WebElement } from 'selenium-webdriver';
import { errorName, type Body } from './compare.ts';

const WAIT_MS = 10_000;
const LARGE = 20 * 1024 * 1024;

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
    name: 'a frame that removes itself leaves commands to the page around it',
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
    name: 'a shadow root is found, searched, and told from an element without one',
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
    name: 'an element says what it is: text, attributes, properties, style, role, name, rectangle',
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

export const scriptBodies: readonly Body[] = [
  {
    name: 'a script takes and returns every kind of value',
    async run(driver, site) {
      await driver.get(site.page('/page', '<p>x</p>'));
      const values = [null, true, 1.5, -0, 'ü\u0000😀', [1, [2]], { a: { b: [] } }];
      const back: unknown = await driver.executeScript('return arguments[0]', values);
      const none: unknown = await driver.executeScript('');
      const [element] = await driver.executeScript<[WebElement]>('return [document.querySelector("p")]');
      const cyclic = await errorName(driver.executeScript('const a = {}; a.a = a; return a'));
      return { back, none, text: await element.getText(), cyclic };
    },
    expected: (value: { back: unknown; none: unknown; text: string; cyclic: string }) => {
      expect(value.back).to.deep.equal([null, true, 1.5, 0, 'ü\u0000😀', [1, [2]], { a: { b: [] } }]);
      expect(value).to.include({ none: null, text: 'x', cyclic: 'JavascriptError' });
    },
  },
  {
    name: 'an asynchronous script returns a value, a resolved promise, and null',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      return [
        await driver.executeAsyncScript(
          'setTimeout(arguments[arguments.length - 1], 50, [...arguments].slice(0, -1))',
          1,
          'b',
        ),
        await driver.executeAsyncScript('arguments[0](null)'),
        await driver.executeAsyncScript('arguments[0](fetch("/page").then((answer) => answer.status))'),
        await driver.executeScript('return Promise.resolve("awaited")'),
        await errorName(driver.executeScript('return Promise.reject(new TypeError("no"))')),
        await errorName(driver.executeAsyncScript('throw new Error("no")')),
      ];
    },
    expected: [[1, 'b'], null, 200, 'awaited', 'JavascriptError', 'JavascriptError'],
  },
  {
    name: '20 MB go to a script and come back',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      const text = `${'x'.repeat(LARGE - 1)}ü`;
      const length = await driver.executeScript<number>('return arguments[0].length', text);
      const back = await driver.executeScript<string>('return "y".repeat(arguments[0]) + "ü"', LARGE);
      return { length, back: back.length, end: back.at(-1) };
    },
    expected: { length: LARGE, back: LARGE + 1, end: 'ü' },
  },
  {
    name: 'the source of a page of 20 MB comes back',
    async run(driver, site) {
      await driver.get(site.page('/page', '<p></p>'));
      await driver.executeScript('document.querySelector("p").textContent = "z".repeat(arguments[0])', LARGE);
      return (await driver.getPageSource()).length;
    },
    expected: (length: number) => expect(length).to.be.above(LARGE),
  },
];

export const waitBodies: readonly Body[] = [
  {
    name: 'driver.wait resolves with what it waited for, and gives up in time',
    async run(driver, site) {
      await driver.get(
        site.page(
          '/page',
          '<p hidden>late</p><script>setTimeout(() => { document.querySelector("p").hidden = false; document.title = "late" }, 100)</script>',
        ),
      );
      const element = await driver.findElement(By.css('p'));
      await driver.wait(until.elementIsVisible(element), WAIT_MS);
      await driver.wait(until.titleIs('late'), WAIT_MS);
      const located = await driver.wait(until.elementLocated(By.css('p')), WAIT_MS);
      return {
        text: await located.getText(),
        late: await errorName(driver.wait(until.titleIs('never'), 50, 'in vain')),
        thrown: await errorName(driver.wait(() => Promise.reject(new RangeError('mine')), 50)),
        promise: await driver.wait(Promise.resolve(7), 50),
      };
    },
    expected: { text: 'late', late: 'TimeoutError', thrown: 'RangeError', promise: 7 },
  },
  {
    name: 'an implicit wait finds an element that comes later, and gives up in time',
    async run(driver, site) {
      await driver.manage().setTimeouts({ implicit: 400 });
      await driver.get(
        site.page('/page', '<script>setTimeout(() => document.body.append(document.createElement("p")), 150)</script>'),
      );
      const tag = await (await driver.findElement(By.css('p'))).getTagName();
      const startedAt = performance.now();
      const name = await errorName(driver.findElement(By.css('i')));
      return { tag, name, waited: performance.now() - startedAt >= 350, timeouts: await driver.manage().getTimeouts() };
    },
    expected: {
      tag: 'p',
      name: 'NoSuchElementError',
      waited: true,
      timeouts: { implicit: 400, pageLoad: 300_000, script: 30_000 },
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

/** Whether the text is base64 of a PNG, and how large the picture is. */
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
    name: 'a printed page is a PDF with the pages that were asked for',
    async run(driver, site) {
      await driver.get(
        site.page('/page', '<p style="break-after: page">one</p><p style="break-after: page">two</p><p>three</p>'),
      );
      // The types of printPage ask for every option, and leave out what it returns.
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
