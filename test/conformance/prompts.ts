/** Alerts and other prompts, `beforeunload`, and `print()`. */
import { By } from 'selenium-webdriver';
import { errorName, type Body } from './compare.ts';

const WAIT_MS = 10_000;
const { stringify } = JSON;

/** Returns a script that opens the prompt after it has returned. */
function later(call: string): string {
  return `setTimeout(() => { window.answer = ${call}; }, 0)`;
}

const ANSWER = 'return window.answer === undefined ? "undefined" : window.answer';

async function openAlert(driver: Parameters<Body['run']>[0]) {
  await driver.wait(async () => (await errorName(driver.switchTo().alert().getText())).startsWith('no error'), WAIT_MS);
  return driver.switchTo().alert();
}

/** The bodies of a session that leaves prompts open. */
export const promptBodies: readonly Body[] = [
  ...(
    [
      ['alert("boo")', 'accept', 'undefined'],
      ['alert("boo")', 'dismiss', 'undefined'],
      ['confirm("boo")', 'accept', true],
      ['confirm("boo")', 'dismiss', false],
      ['prompt("boo", "given")', 'accept', 'given'],
      ['prompt("boo", "given")', 'dismiss', null],
    ] as const
  ).map(([call, end, answer]): Body => ({
    name: `${call} has a text, blocks commands, and accepts ${end}`,
    async run(driver, site) {
      await driver.get(site.page('/page'));
      await driver.executeScript(later(call));
      const alert = await openAlert(driver);
      const text = await alert.getText();
      const names = [await errorName(driver.getTitle()), await errorName(driver.findElement(By.css('body')))];
      const handles = (await driver.getAllWindowHandles()).length;
      await alert[end]();
      return { text, names, handles, answer: await driver.executeScript(ANSWER) };
    },
    expected: { text: 'boo', names: ['UnexpectedAlertOpenError', 'UnexpectedAlertOpenError'], handles: 1, answer },
  })),
  {
    name: 'a prompt returns the typed text, and an alert accepts none',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      await driver.executeScript(later('prompt("name")'));
      const prompt = await openAlert(driver);
      await prompt.sendKeys('typed ü');
      await prompt.accept();
      const answer: unknown = await driver.executeScript(ANSWER);
      await driver.executeScript(later('alert("boo")'));
      const alert = await openAlert(driver);
      const name = await errorName(alert.sendKeys('x'));
      await alert.accept();
      return { answer, name, gone: await errorName(driver.switchTo().alert()) };
    },
    expected: { answer: 'typed ü', name: 'ElementNotInteractableError', gone: 'NoSuchAlertError' },
  },
  {
    name: 'a prompt that opens during a script ends the script',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      const during: unknown = await errorName(driver.executeScript('confirm("now"); return 1;'));
      const alert = await openAlert(driver);
      await alert.accept();
      return { during, title: await driver.getTitle() };
    },
    expected: { during: 'no error: null', title: 'page' },
  },
  {
    name: 'a prompt that opens during an asynchronous script ends the script',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      const during = await errorName(driver.executeAsyncScript('setTimeout(() => alert("boo"), 0)'));
      await (await openAlert(driver)).accept();
      return { during, title: await driver.getTitle() };
    },
    expected: (value: { title: string }) => value.title === 'page' || fail(value),
  },
  {
    name: 'alerts during load, one after another, are answered one by one',
    async run(driver, site) {
      const script =
        '<script>addEventListener("load", () => setTimeout(() => { alert(1); alert(2); alert(3); document.title = "done"; }, 0))</script>';
      await driver.get(site.page('/page', script));
      const texts: string[] = [];
      for (let round = 0; round < 3; round++) {
        const alert = await openAlert(driver);
        texts.push(await alert.getText());
        await alert.accept();
      }
      await driver.wait(async () => (await driver.getTitle()) === 'done', WAIT_MS);
      return texts;
    },
    expected: ['1', '2', '3'],
  },
  {
    name: 'an alert in a background window blocks only that window',
    async run(driver, site) {
      await driver.get(site.page('/first'));
      const first = await driver.getWindowHandle();
      await driver.switchTo().newWindow('tab');
      await driver.get(site.page('/second'));
      const second = await driver.getWindowHandle();
      await driver.executeScript(later('alert("boo")'));
      await openAlert(driver);
      await driver.switchTo().window(first);
      const title = await driver.getTitle();
      await driver.switchTo().window(second);
      const name = await errorName(driver.getTitle());
      await driver.switchTo().alert().accept();
      return { title, name };
    },
    expected: { title: 'first', name: 'UnexpectedAlertOpenError' },
  },
  {
    name: 'print() does not block the session',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      await driver.executeScript('setTimeout(() => { print(); document.title = "printed"; }, 0)');
      await driver.wait(async () => (await driver.getTitle()) === 'printed', WAIT_MS);
      return driver.getTitle();
    },
    expected: 'printed',
  },
];

/** The effect of each behaviour on a prompt that is open when a command is sent. */
export const BEHAVIOURS = {
  accept: { answer: true, name: 'no error: "page"' },
  dismiss: { answer: false, name: 'no error: "page"' },
  'accept and notify': { answer: true, name: 'UnexpectedAlertOpenError' },
  'dismiss and notify': { answer: false, name: 'UnexpectedAlertOpenError' },
  ignore: { answer: 'undefined', name: 'UnexpectedAlertOpenError' },
} as const;

export function behaviourBodies(behaviour: keyof typeof BEHAVIOURS): readonly Body[] {
  const isLeft = behaviour === 'ignore';
  return [
    {
      name: `a confirm that is open when a command is sent is handled by ${stringify(behaviour)}`,
      async run(driver, site) {
        await driver.get(site.page('/page'));
        // An asynchronous script could end with the confirm's error if the machine is slow.
        await driver.executeScript(later('confirm("boo")'));
        const isOpen = () =>
          driver.getCurrentUrl().then(
            () => false,
            () => true,
          );
        const isAnswered = async () => (await isOpen()) || (await driver.executeScript(ANSWER)) !== 'undefined';
        // A behaviour without a notice shows only in the answer.
        await driver.wait(async () => isAnswered().catch(() => true), WAIT_MS);
        if (isLeft) await driver.switchTo().alert().dismiss();
        return driver.executeScript(ANSWER);
      },
      expected: isLeft ? false : BEHAVIOURS[behaviour].answer,
    },
    {
      name: `a command that is sent while a confirm is open ends according to ${stringify(behaviour)}`,
      async run(driver, site) {
        await driver.get(
          site.page('/page', '<button onclick="setTimeout(() => { answer = confirm(1); }, 0)">x</button>'),
        );
        const visit = site.visit('/ping');
        await driver.executeScript(
          'setTimeout(() => { navigator.sendBeacon("/ping"); window.answer = confirm("boo"); }, 0)',
        );
        await visit;
        // The beacon leaves before the confirm is open.
        const names = new Set<string>();
        await driver.wait(async () => {
          names.add(await errorName(driver.getTitle()));
          return [...names].includes(BEHAVIOURS[behaviour].name);
        }, WAIT_MS);
        if (isLeft) await driver.switchTo().alert().dismiss();
        return BEHAVIOURS[behaviour].name;
      },
      expected: BEHAVIOURS[behaviour].name,
    },
    {
      name: `beforeunload behaves the same with ${stringify(behaviour)}`,
      async run(driver, site) {
        const form =
          '<input id="in"><script>onbeforeunload = (event) => { event.preventDefault(); return "stay"; }</script>';
        await driver.get(site.page('/page', form));
        await driver.findElement(By.id('in')).sendKeys('user activation');
        const left = await errorName(driver.get(site.page('/next')));
        const alert = await errorName(driver.switchTo().alert());
        if (!alert.includes('NoSuchAlert')) await driver.switchTo().alert().accept();
        return { left, alert, title: await driver.getTitle() };
      },
      expected: (value: { title: string; left: string }) => value.title === 'next' || fail(value),
    },
  ];
}

function fail(value: unknown): never {
  throw new Error(`not expected: ${stringify(value)}`);
}
