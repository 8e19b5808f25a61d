/** Keys, mouse, wheel, drag, forms, uploads and downloads. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type Actions, Button, By, Key, Origin, until } from 'selenium-webdriver';
import { eventually } from '../support/eventually.ts';
import { errorName, type Body, type SessionBody } from './compare.ts';

/** The types of selenium-webdriver omit the file detector and the wheel. */
const { FileDetector } = createRequire(import.meta.url)('selenium-webdriver/remote') as {
  FileDetector: new () => { handleFile: unknown };
};
interface Wheel {
  scroll(x: number, y: number, deltaX: number, deltaY: number, origin: unknown): Actions;
}

const WAIT_MS = 10_000;
/** Records the events of the page in their order. */
const RECORD = `<script>
  window.events = [];
  for (const type of ['keydown', 'keyup', 'mousedown', 'mouseup', 'click', 'dblclick', 'contextmenu', 'drop', 'dragstart'])
    addEventListener(type, (event) => events.push([type, event.key ?? event.button, event.target.id, event.isTrusted].join(' ')));
</script>`;
const EVENTS = 'return window.events';

export const actionBodies: readonly Body[] = [
  {
    name: 'keys are typed, held and released in the given order',
    async run(driver, site) {
      await driver.get(site.page('/page', `<input id="in">${RECORD}`));
      const input = await driver.findElement(By.id('in'));
      await input.sendKeys('ab', Key.chord(Key.SHIFT, 'c'), Key.BACK_SPACE, '😀é');
      await driver.actions().keyDown(Key.CONTROL).sendKeys('a').keyUp(Key.CONTROL).sendKeys(Key.DELETE, 'x').perform();
      return { events: await driver.executeScript(EVENTS), value: await input.getProperty('value') };
    },
    expected: ({ value, events }: { value: string; events: string[] }) =>
      check(
        value === 'x' && events.includes('keydown Control in true') && events.includes('keydown C in true'),
        events,
      ),
  },
  {
    name: 'the mouse clicks, double-clicks, opens a context menu, and holds',
    async run(driver, site) {
      await driver.get(
        site.page('/page', `<button id="a">a</button><button id="b" style="margin: 100px">b</button>${RECORD}`),
      );
      const [a, b] = [await driver.findElement(By.id('a')), await driver.findElement(By.id('b'))];
      await driver.actions().click(a).doubleClick(b).contextClick(a).perform();
      await driver.actions().move({ origin: b }).press(Button.LEFT).move({ origin: a }).release(Button.LEFT).perform();
      await driver.actions().clear();
      return driver.executeScript(EVENTS);
    },
    expected: (events: string[]) =>
      check(
        events.includes('dblclick 0 b true') && events.includes('contextmenu 2 a true') && events.length >= 12,
        events,
      ),
  },
  {
    name: 'an element is dragged and dropped',
    async run(driver, site) {
      const html = `<div id="from" draggable="true" style="width: 50px; height: 50px">from</div>
        <div id="to" style="width: 80px; height: 80px" ondragover="event.preventDefault()" ondrop="this.append(document.getElementById('from'))">to</div>${RECORD}`;
      await driver.get(site.page('/page', html));
      await driver
        .actions()
        .dragAndDrop(await driver.findElement(By.id('from')), await driver.findElement(By.id('to')))
        .perform();
      await driver.wait(until.elementLocated(By.css('#to #from')), WAIT_MS);
      return driver.executeScript(EVENTS);
    },
    expected: (events: string[]) =>
      check(
        events.some((event) => event.startsWith('drop')),
        events,
      ),
  },
  {
    name: 'the wheel scrolls the page and an element',
    async run(driver, site) {
      await driver.get(
        site.page(
          '/page',
          '<div id="box" style="height: 100px; overflow: auto"><p style="height: 900px">x</p></div><p style="height: 5000px">y</p>',
        ),
      );
      const wheel = () => driver.actions() as unknown as Wheel;
      const box = await driver.findElement(By.id('box'));
      await wheel().scroll(0, 0, 0, 40, box).perform();
      await wheel().scroll(10, 300, 0, 200, Origin.VIEWPORT).perform();
      const read = () => driver.executeScript<number[]>('return [document.getElementById("box").scrollTop, scrollY]');
      await driver.wait(async () => String(await read()) === '40,200', WAIT_MS);
      return read();
    },
    expected: [40, 200],
  },
  {
    name: 'a pointer that is moved out of the window is refused',
    async run(driver, site) {
      await driver.get(site.page('/page'));
      return errorName(driver.actions().move({ x: -10, y: -10 }).perform());
    },
    expected: 'MoveTargetOutOfBoundsError',
  },
  {
    name: 'a form is filled in and sent',
    async run(driver, site) {
      const html = `<form method="post" action="/done"><input name="t" value="old"><input type="checkbox" name="c"><select name="s"><option>1<option>2</select><textarea name="a"></textarea></form>`;
      site.page('/done');
      await driver.get(site.page('/page', html));
      const text = await driver.findElement(By.name('t'));
      await text.clear();
      await text.sendKeys('new ü');
      await driver.findElement(By.name('c')).click();
      await driver.findElement(By.css('option:last-child')).click();
      await driver.findElement(By.name('a')).sendKeys('one', Key.ENTER, 'two');
      await text.submit();
      await driver.wait(until.titleIs('done'), WAIT_MS);
      return (await site.visit('/done')).body;
    },
    expected: 't=new+%C3%BC&c=on&s=2&a=one%0D%0Atwo',
  },
];

/** Writes a file, uploads it by the page's form, and returns what the site received. */
function uploads(name: string, withDetector: boolean): SessionBody {
  return {
    name,
    async run({ start, site, folder }) {
      const { driver } = await start();
      const file = path.join(folder, 'upload.txt');
      writeFileSync(file, 'content ü');
      site.page('/done');
      await driver.get(
        site.page(
          '/page',
          '<form method="post" action="/done" enctype="multipart/form-data"><input type="file" name="f" multiple><button>x</button></form>',
        ),
      );
      if (withDetector) (driver as { setFileDetector(detector: unknown): void }).setFileDetector(new FileDetector());
      const input = await driver.findElement(By.name('f'));
      const sent = await errorName(input.sendKeys(file));
      const missing = await errorName(input.sendKeys(path.join(folder, 'missing.txt')));
      const names: unknown = await driver.executeScript(
        'return [...arguments[0].files].map((file) => [file.name, file.size])',
        input,
      );
      await driver.findElement(By.css('button')).click();
      await driver.wait(until.titleIs('done'), WAIT_MS);
      const { body } = await site.visit('/done');
      return { sent, missing, names, hasContent: body.includes('content') };
    },
    expected: (value: { hasContent: boolean; names: unknown[] }) =>
      check(value.hasContent && value.names.length === 1, value),
  };
}

export const fileBodies: readonly SessionBody[] = [
  uploads('a file is uploaded without a file detector', false),
  uploads('a file detector is set, and a file is uploaded', true),
  {
    name: 'downloads go to the folder of the preferences, by link, by navigation, and by script',
    async run({ start, site, folder }) {
      const { driver } = await start(
        (options) => void options.setUserPreferences({ download: { default_directory: folder } }),
      );
      for (const name of ['link', 'navigation', 'script'])
        site.answer(`/${name}`, (_request, response) => {
          response
            .writeHead(200, {
              'content-type': 'text/plain',
              'content-disposition': `attachment; filename="${name}.txt"`,
            })
            .end(name);
        });
      await driver.get(site.page('/page', '<a href="/link">x</a>'));
      await driver.findElement(By.css('a')).click();
      await eventually(async () => existsSync(path.join(folder, 'link.txt')), 'the first file');
      const navigation = await errorName(driver.get(`${site.url}/navigation`));
      await eventually(async () => existsSync(path.join(folder, 'navigation.txt')), 'the second file');
      await driver.executeScript(
        'const a = document.createElement("a"); a.href = "/script"; a.download = "own.txt"; document.body.append(a); a.click()',
      );
      await eventually(
        async () => readdirSync(folder).filter((name) => isWritten(path.join(folder, name))).length === 3,
        'the third file',
      );
      const files = readdirSync(folder)
        .filter((name) => name.endsWith('.txt'))
        .sort();
      return {
        navigation,
        files: files.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]),
        title: await driver.getTitle(),
      };
    },
    expected: {
      navigation: 'no error: null',
      files: [
        ['link.txt', 'link'],
        ['navigation.txt', 'navigation'],
        ['script.txt', 'script'],
      ],
      title: 'page',
    },
  },
  {
    name: 'downloads go to the folder of setDownloadPath',
    async run({ start, site, folder }) {
      const { driver } = await start();
      site.answer('/file', (_request, response) => {
        response
          .writeHead(200, { 'content-disposition': 'attachment; filename="a.bin"' })
          .end(Buffer.alloc(300_000, 7));
      });
      await driver.setDownloadPath(folder);
      await driver.get(site.page('/page', '<a href="/file">x</a>'));
      await driver.findElement(By.css('a')).click();
      const file = path.join(folder, 'a.bin');
      await eventually(async () => existsSync(file) && statSync(file).size === 300_000, 'the whole file');
      return { size: readFileSync(file).length, files: readdirSync(folder) };
    },
    expected: { size: 300_000, files: ['a.bin'] },
  },
];

function check(isTrue: boolean, value: unknown): void {
  if (!isTrue) throw new Error(`not expected: ${JSON.stringify(value)}`);
}

/** Chromium gives a file its name before it has written the content. */
function isWritten(file: string): boolean {
  return file.endsWith('.txt') && statSync(file).size > 0;
}
