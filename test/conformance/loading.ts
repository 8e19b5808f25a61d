/** Timeouts, strategies of page loads, and the history. */
import { By, until } from 'selenium-webdriver';
import { errorName, type Body } from './compare.ts';
import type { Site } from './site.ts';

/** Serves a page with a picture that is not answered until the returned function is called. */
function slowPage(site: Site): { url: string; release: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  site.answer('/picture', async (_request, response) => {
    await promise;
    response.writeHead(200).end();
  });
  return { url: site.page('/slow', '<img src="/picture">'), release: resolve };
}

export const timeoutBodies: readonly Body[] = [
  {
    name: 'a page that exceeds its load timeout fails, and the next page works',
    async run(driver, site) {
      await driver.manage().setTimeouts({ pageLoad: 300 });
      const { url, release } = slowPage(site);
      const name = await errorName(driver.get(url));
      const title = await driver.getTitle();
      release();
      await driver.get(site.page('/next'));
      return { name, title, next: await driver.getTitle() };
    },
    expected: { name: 'TimeoutError', title: 'slow', next: 'next' },
  },
  {
    name: 'a click on a link to a page that exceeds its load timeout fails',
    async run(driver, site) {
      const { url, release } = slowPage(site);
      await driver.get(site.page('/page', `<a href="${url}">x</a>`));
      await driver.manage().setTimeouts({ pageLoad: 300 });
      const name = await errorName(driver.findElement(By.css('a')).click());
      release();
      await driver.manage().setTimeouts({ pageLoad: 30_000 });
      await driver.get(site.page('/next'));
      return { name, next: await driver.getTitle() };
    },
    expected: { name: 'TimeoutError', next: 'next' },
  },
  {
    name: 'an asynchronous script that exceeds its timeout fails, and the next one works',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      await driver.manage().setTimeouts({ script: 100 });
      const names = [
        await errorName(driver.executeAsyncScript('')),
        await errorName(driver.executeScript('return new Promise(() => {})')),
      ];
      return { names, next: await driver.executeScript('return 1') };
    },
    expected: { names: ['ScriptTimeoutError', 'ScriptTimeoutError'], next: 1 },
  },
  {
    name: 'a script timeout of null does not limit a script',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      await driver.manage().setTimeouts({ script: null as never });
      const timeouts = await driver.manage().getTimeouts();
      return { timeouts, value: await driver.executeAsyncScript('setTimeout(arguments[0], 300, "late")') };
    },
    expected: { timeouts: { implicit: 0, pageLoad: 300_000, script: null }, value: 'late' },
  },
  {
    name: 'timeouts of the wrong kind are refused',
    async run(driver) {
      return [
        await errorName(Promise.resolve().then(() => driver.manage().setTimeouts({ script: 'long' as never }))),
        await errorName(Promise.resolve().then(() => driver.manage().setTimeouts({}))),
        await driver.manage().getTimeouts(),
      ];
    },
    expected: ['TypeError', 'TypeError', { implicit: 0, pageLoad: 300_000, script: 30_000 }],
  },
];

export const historyBodies: readonly Body[] = [
  {
    name: 'back, forward and refresh load the expected pages',
    async run(driver, site) {
      await driver.get(site.page('/one', '<a href="#part">x</a>'));
      await driver.findElement(By.css('a')).click();
      await driver.get(site.page('/two'));
      const seen: string[] = [];
      const note = async () => seen.push(site.relative(await driver.getCurrentUrl()));
      await driver.navigate().back();
      await note();
      await driver.navigate().back();
      await note();
      await driver.navigate().forward();
      await note();
      await driver.navigate().forward();
      await note();
      await driver.navigate().refresh();
      await note();
      return { seen, visits: site.visits.filter(({ path }) => path === '/two').length };
    },
    expected: ({ seen }: { seen: string[] }) => {
      if (String(seen) !== '/one#part,/one,/one#part,/two,/two') throw new Error(String(seen));
    },
  },
  {
    name: 'redirects of servers and pages end at their targets',
    async run(driver, site) {
      site.page('/end');
      site.answer('/server', (_request, response) => void response.writeHead(302, { location: '/end' }).end());
      await driver.get(`${site.url}/server`);
      const byServer = site.relative(await driver.getCurrentUrl());
      await driver.get(site.page('/meta', '<meta http-equiv="refresh" content="0; url=/end">'));
      await driver.wait(until.urlContains('/end'), 10_000);
      await driver.get(site.page('/script', '<script>location.href = "/end"</script>'));
      await driver.wait(until.urlContains('/end'), 10_000);
      return { byServer, title: await driver.getTitle() };
    },
    expected: { byServer: '/end', title: 'end' },
  },
];

/** Loads a page with a picture that is never answered; only the strategy `normal` waits for it. */
export const strategyBody: Body = {
  name: 'the strategy determines how long a page load is awaited',
  async run(driver, site) {
    await driver.manage().setTimeouts({ pageLoad: 1_000 });
    const { url, release } = slowPage(site);
    const name = await errorName(driver.get(url));
    await driver.wait(until.elementLocated(By.css('img')), 10_000);
    const state: unknown = await driver.executeScript('return document.readyState');
    release();
    return { name, state };
  },
  expected: undefined,
};

export const STRATEGIES = {
  normal: { name: 'TimeoutError', state: 'complete' },
  eager: { name: 'no error: null', state: 'interactive' },
  none: { name: 'no error: null', state: 'interactive' },
} as const;
