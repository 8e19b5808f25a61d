/** The ends of sessions: `quit()` and `close()` in every order, and the errors of later commands. */
import { By, type WebDriver } from 'selenium-webdriver';
import { errorName, type SessionBody } from './compare.ts';
import { waitForWindows } from './windows.ts';

const OK = 'no error: undefined';
const NO_SESSION = 'NoSuchSessionError';

/** Returns the names of the errors of commands of several kinds. */
async function namesOfCommands(driver: WebDriver): Promise<string[]> {
  return [
    await errorName(driver.getTitle()),
    await errorName(driver.get('about:blank')),
    await errorName(driver.findElement(By.css('p'))),
    await errorName(driver.getAllWindowHandles()),
    await errorName(driver.switchTo().newWindow('tab')),
    await errorName(driver.takeScreenshot()),
  ];
}

function ends(name: string, run: (driver: WebDriver) => Promise<unknown>, expected: unknown): SessionBody {
  return {
    name,
    async run({ start, site }) {
      const { driver } = await start();
      await driver.get(site.page('/page', '<p>x</p>'));
      return run(driver);
    },
    expected,
  };
}

const ALL_WITHOUT_SESSION = Array.from({ length: 6 }, () => NO_SESSION);

export const endingBodies: readonly SessionBody[] = [
  ends(
    'a session that was quit accepts no command',
    async (driver) => [await errorName(driver.quit()), await namesOfCommands(driver), await errorName(driver.close())],
    [OK, ALL_WITHOUT_SESSION, NO_SESSION],
  ),
  ends(
    'a session is quit twice',
    async (driver) => [await errorName(driver.quit()), await errorName(driver.quit())],
    (names: string[]) => expectFirst(names, OK),
  ),
  ends(
    'a session whose last window is closed accepts no command, and is quit',
    async (driver) => [await errorName(driver.close()), await namesOfCommands(driver), await errorName(driver.quit())],
    ['no error: []', ALL_WITHOUT_SESSION, OK],
  ),
  ends(
    'a last window with a page that unloads slowly is closed',
    async (driver) => {
      await driver.executeScript(
        "addEventListener('pagehide', () => { const end = Date.now() + 400; while (Date.now() < end); })",
      );
      return [await errorName(driver.close()), await errorName(driver.getTitle()), await errorName(driver.quit())];
    },
    ['no error: []', NO_SESSION, OK],
  ),
  ends(
    'a last window is closed twice',
    async (driver) => [
      await errorName(driver.close()),
      await errorName(driver.close()),
      await errorName(driver.quit()),
    ],
    ['no error: []', NO_SESSION, OK],
  ),
  ends(
    'a last window is closed while the session is quit',
    (driver) => Promise.all([errorName(driver.close()), errorName(driver.quit())]),
    ['no error: []', OK],
  ),
  ends(
    'a session with several windows is quit',
    async (driver) => {
      await driver.switchTo().newWindow('tab');
      await driver.switchTo().newWindow('window');
      return [await errorName(driver.quit()), await errorName(driver.getAllWindowHandles())];
    },
    [OK, NO_SESSION],
  ),
  ends(
    'windows are closed one after another, and the session is quit',
    async (driver) => {
      await driver.switchTo().newWindow('tab');
      const handles = await driver.getAllWindowHandles();
      const left: string[] = [];
      for (const handle of handles) {
        await driver.switchTo().window(handle);
        left.push(String((await errorName(driver.close())) === 'no error: []'));
      }
      return [left, await errorName(driver.getTitle()), await errorName(driver.quit()), await errorName(driver.quit())];
    },
    (value: unknown[]) => expectFirst([String(value[0]), ...value.slice(1)], 'false,true'),
  ),
  ends(
    'a session whose current window is closed is quit',
    async (driver) => {
      await driver.switchTo().newWindow('tab');
      await driver.close();
      return [await errorName(driver.getTitle()), await errorName(driver.quit())];
    },
    ['NoSuchWindowError', OK],
  ),
  ends(
    'a session whose page closes its only window is quit',
    async (driver) => {
      await driver.executeScript('window.open("about:blank")');
      const [first, second] = await waitForWindows(driver, 2);
      const own = await driver.getWindowHandle();
      await driver.close();
      await driver.switchTo().window(own === first ? second! : first!);
      await errorName(driver.executeScript('setTimeout(() => window.close(), 0)'));
      // The browser ends with its last window. The driver's next answers depend on the moment.
      await driver.wait(
        () =>
          driver.getAllWindowHandles().then(
            (handles) => handles.length === 0,
            () => true,
          ),
        10_000,
      );
      return errorName(driver.quit());
    },
    OK,
  ),
  ends(
    'a session with an open alert is quit',
    async (driver) => {
      await driver.executeScript('setTimeout(() => alert("boo"), 0)');
      return errorName(driver.quit());
    },
    OK,
  ),
  ends(
    'a session whose page asks before it is left is quit',
    async (driver) => {
      await driver.executeScript('onbeforeunload = (event) => event.preventDefault()');
      await driver.findElement(By.css('p')).click();
      return errorName(driver.quit());
    },
    OK,
  ),
  {
    name: 'a session is quit while a page loads',
    async run({ start, site }) {
      const { driver } = await start();
      await driver.manage().setTimeouts({ pageLoad: 1_000 });
      const url = site.answer('/never', () => new Promise(() => undefined));
      const load = errorName(driver.get(url));
      await site.visit('/never');
      const quit = await errorName(driver.quit());
      return { quit, load: await load };
    },
    expected: { quit: OK, load: 'TimeoutError' },
  },
  {
    name: 'concurrent sessions end independently',
    async run({ start }) {
      const [one, two] = [await start(), await start()];
      await one.driver.quit();
      return [await errorName(one.driver.getTitle()), await errorName(two.driver.getTitle())];
    },
    expected: [NO_SESSION, 'no error: ""'],
  },
];

function expectFirst(names: readonly unknown[], first: string): void {
  if (names[0] !== first) throw new Error(JSON.stringify(names));
}
