/** The errors of commands: their names, and the first lines of their messages. */
import { By, type WebDriver } from 'selenium-webdriver';
import { LocalServer } from '../../src/testing/local-server.ts';
import type { Body } from './compare.ts';
import type { Site } from './site.ts';

/** Returns the name and the first line of the message, without the parts that differ between sessions. */
async function failureOf(promise: PromiseLike<unknown>, site: Site): Promise<string> {
  try {
    return `no error: ${JSON.stringify(await promise)}`;
  } catch (thrown) {
    const { name, message } = thrown as Error;
    const [first = ''] = message.split('\n');
    return `${name}: ${site.relative(first).replace(/[0-9A-Fa-f]{32}|[fde.\d]{3,}\.[\w.]+/g, 'ID')}`;
  }
}

function fails(
  name: string,
  what: string,
  html: string,
  command: (driver: WebDriver, site: Site) => PromiseLike<unknown>,
): Body {
  return {
    name: `${name} ${what} has the same name and message`,
    async run(driver, site) {
      await driver.get(site.page('/page', html));
      return failureOf(command(driver, site), site);
    },
    expected: (failure: string) => {
      if (!failure.startsWith(`${name}:`)) throw new Error(failure);
    },
  };
}

export const errorBodies: readonly Body[] = [
  fails('NoSuchElementError', 'of a missing element', '', (driver) => driver.findElement(By.id('missing'))),
  fails('StaleElementReferenceError', 'of an element of an earlier page', '<p>x</p>', async (driver) => {
    const element = await driver.findElement(By.css('p'));
    await driver.navigate().refresh();
    await element.click();
  }),
  fails('ElementNotInteractableError', 'of a click on a hidden element', '<p hidden>x</p>', (driver) =>
    driver.findElement(By.css('p')).click(),
  ),
  fails(
    'ElementClickInterceptedError',
    'of a click on a covered element',
    '<p>x</p><div style="position: fixed; inset: 0"></div>',
    (driver) => driver.findElement(By.css('p')).click(),
  ),
  fails('InvalidElementStateError', 'of clearing a disabled input', '<input disabled>', (driver) =>
    driver.findElement(By.css('input')).clear(),
  ),
  fails('InvalidSelectorError', 'of a broken CSS selector', '', (driver) => driver.findElement(By.css('::['))),
  fails('InvalidSelectorError', 'of a broken XPath', '', (driver) => driver.findElement(By.xpath('//['))),
  fails('JavascriptError', 'of a script that throws', '', (driver) => driver.executeScript('undefined.x')),
  fails('JavascriptError', "of a script that can't be parsed", '', (driver) =>
    driver.executeScript('this is no script'),
  ),
  fails('NoSuchFrameError', 'of a missing frame', '', (driver) => driver.switchTo().frame(3)),
  fails('NoSuchFrameError', 'of an element that is not a frame', '<p>x</p>', async (driver) =>
    driver.switchTo().frame(await driver.findElement(By.css('p'))),
  ),
  fails('NoSuchWindowError', 'of a missing window', '', (driver) => driver.switchTo().window('missing')),
  fails('NoSuchAlertError', 'of a missing alert', '', (driver) => driver.switchTo().alert()),
  fails('InvalidCookieDomainError', 'of a cookie for another domain', '', (driver) =>
    driver.manage().addCookie({ name: 'a', value: 'b', domain: 'elsewhere.test' }),
  ),
  fails('InvalidCookieDomainError', 'of a cookie for a page without a domain', '', async (driver) => {
    await driver.get('data:text/html,x');
    await driver.manage().addCookie({ name: 'a', value: 'b' });
  }),
  fails('ScriptTimeoutError', 'of a script that takes too long', '', async (driver) => {
    await driver.manage().setTimeouts({ script: 100 });
    await driver.executeAsyncScript('');
  }),
  fails('TimeoutError', 'of a condition that is never met', '', (driver) => driver.wait(() => false, 20, 'in vain')),
  fails('InvalidArgumentError', 'of an invalid URL', '', (driver) => driver.get('no url')),
  fails('InvalidArgumentError', 'of a window with a negative size', '', (driver) =>
    driver.manage().window().setRect({ width: -5 }),
  ),
  fails('MoveTargetOutOfBoundsError', 'of a pointer far outside of the window', '', (driver) =>
    driver.actions().move({ x: 1e6, y: 1e6 }).perform(),
  ),
  fails('UnexpectedAlertOpenError', 'of an open alert', '', async (driver) => {
    await driver.executeScript('setTimeout(() => alert("boo"), 0)');
    await driver.wait(
      () =>
        driver
          .switchTo()
          .alert()
          .then(
            () => true,
            () => false,
          ),
      10_000,
    );
    await driver.getTitle();
  }),
  fails('WebDriverError', 'of a port where nothing listens', '', async (driver) => {
    const closed = await LocalServer.open();
    await closed.close();
    await driver.get(closed.url);
  }),
  fails('WebDriverError', 'of a host without an address', '', (driver) => driver.get('http://no-such-host.invalid/')),
  fails('WebDriverError', 'of a connection that is reset', '', (driver, site) => {
    site.answer('/reset', (request) => void request.socket.resetAndDestroy());
    return driver.get(`${site.url}/reset`);
  }),
  {
    name: 'statuses of a site other than 200 are no errors',
    async run(driver, site) {
      const titles: string[] = [];
      for (const status of [404, 500, 503]) {
        site.answer(
          `/${status}`,
          (_request, response) =>
            void response.writeHead(status, { 'content-type': 'text/html' }).end(`<title>${status}</title>`),
        );
        await driver.get(`${site.url}/${status}`);
        titles.push(await driver.getTitle());
      }
      return titles;
    },
    expected: ['404', '500', '503'],
  },
];
