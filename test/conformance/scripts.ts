/** Scripts and their values, waits, and concurrent commands. */
import { expect } from 'chai';
import { By, until, type WebElement } from 'selenium-webdriver';
import { errorName, type Body } from './compare.ts';

const WAIT_MS = 10_000;
/** 20 MB. */
const LARGE = 20 * 1024 * 1024;

export const scriptBodies: readonly Body[] = [
  {
    name: 'a script accepts and returns every kind of value',
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
    name: '20 MB are sent to a script and returned',
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
    name: 'the source of a page of 20 MB is returned',
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
    name: 'driver.wait resolves with the awaited value, and rejects in time',
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
    name: 'an implicit wait finds a later element, and fails in time',
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

/** Commands that are sent without waiting for earlier ones. */
export const parallelBodies: readonly Body[] = [
  {
    name: 'many concurrent commands are all answered',
    async run(driver, site) {
      await driver.get(site.page('/page', Array.from({ length: 30 }, (_, index) => `<p>${index}</p>`).join('')));
      const elements = await driver.findElements(By.css('p'));
      const texts = await Promise.all(elements.map((element) => element.getText()));
      const mixed = await Promise.all([
        driver.getTitle(),
        errorName(driver.findElement(By.css('i'))),
        driver.executeScript('return 1'),
        errorName(driver.executeScript('throw new Error("x")')),
        driver.executeAsyncScript('setTimeout(arguments[0], 50, 2)'),
        driver.getWindowHandle().then((handle) => handle.length),
      ]);
      return { texts: texts.length, last: texts.at(-1), mixed };
    },
    expected: { texts: 30, last: '29', mixed: ['page', 'NoSuchElementError', 1, 'JavascriptError', 2, 32] },
  },
  {
    name: 'commands after a page load wait for it',
    async run(driver, site) {
      const url = site.answer('/slow', (_request, response) => {
        setTimeout(() => response.writeHead(200, { 'content-type': 'text/html' }).end('<title>slow</title>'), 300);
      });
      const load = driver.get(url);
      await site.visit('/slow');
      const [title] = await Promise.all([driver.getTitle(), load]);
      return title;
    },
    expected: 'slow',
  },
];
