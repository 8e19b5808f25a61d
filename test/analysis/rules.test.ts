import { expect } from 'chai';

import { checkSources, inRun } from './marked-source.ts';

const BAD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'kept-element': {
    'an element that a step assigns for another one': `
    let button;
    await step('find', async () => {
      button = await driver.findElement(By.css('button')); //! kept-element
    });
    await step('press', async () => {
      await button.click();
    });`,
    'elements that a step gathers': `
    const rows = [];
    await step('find', async () => {
      rows.push(...(await driver.findElements(By.css('tr')))); //! kept-element
    });
    for (const row of rows) log.info(await row.getText());
    await save({ count: rows.length }, { key: 'a' });`,
    'an element as the value of a step': `
    const button = await step('find', () => driver.findElement(By.css('button'))); //! kept-element
    await button.click();`,
    'a wait as the last call of a step': `
    await step('wait', () => driver.wait(until.elementLocated(By.css('main')), 1_000)); //! kept-element
    await step('wait again', async () => {
      const main = await driver.wait(until.elementIsVisible(driver.findElement(By.css('main'))), 1_000);
      return { main }; //! kept-element
    });`,
    'elements as the values of a batch': `
    const find = async () => (await driver.findElements(By.css('a'))).filter(Boolean);
    await batch('a', params.urls, () => find(), { key: (url) => url, concurrency: 1 }); //! kept-element`,
    'elements that are found once and used in several steps': `
    const links = await driver.findElements(By.css('a'));
    for (const link of links) {
      await step(await link.getText(), async () => {
        await link.click(); //! kept-element
      });
    }`,
    'an element that is found before another step': `
    const button = await driver.findElement(By.css('button'));
    await step('log in', () => driver.get('data:,x'));
    await step('press', async () => {
      await button.click(); //! kept-element
    });`,
    'an element that two steps use': `
    const button = await driver.findElement(By.css('button'));
    await step('one', async () => {
      await button.click();
    });
    await step('two', async () => {
      await button.click(); //! kept-element
    });`,
  },
  'missing-await': {
    'a step, a batch and a save as statements': `
    step('a', () => 1); //! missing-await
    batch('b', params.urls, (url) => url, { key: (url) => url }); //! missing-await
    save({}, { key: 'a' }); //! missing-await
    void step('c', () => 1); //! missing-await
    for (const url of params.urls) step(url, () => 1); //! missing-await
    if (params.urls.length > 0) step('d', () => 1); //! missing-await
    params.urls.length > 0 && step('e', () => 1); //! missing-await`,
    'steps in functions whose promises are dropped': `
    params.urls.forEach(async (url) => {
      await step(url, () => 1); //! missing-await
    });
    params.urls.forEach((url) => step(\`\${url} 2\`, () => 1)); //! missing-await
    params.urls.map(async (url) => await step(\`\${url} 3\`, () => 1)); //! missing-await
    params.urls.forEach((url) => save({ url }, { key: url })); //! missing-await`,
    'functions of the author that run steps': `
    const visit = async (url: string) => {
      await step(url, () => 1);
    };
    const again = (url: string) => step(\`\${url} again\`, () => 1);
    visit('a'); //! missing-await
    again('b'); //! missing-await
    params.urls.forEach((url) => visit(url)); //! missing-await`,
    'commands and API calls': `
    driver.get('data:,a'); //! missing-await
    void driver.navigate().back(); //! missing-await
    driver.findElement(By.css('a')).click(); //! missing-await
    driver.actions().move({ x: 1, y: 1 }).perform(); //! missing-await
    api.post('https://a.example/'); //! missing-await
    for (const url of params.urls) driver.get(url); //! missing-await
    params.urls.forEach((url) => driver.get(url)); //! missing-await
    params.urls.forEach(async (url) => {
      await driver.get(url); //! missing-await
    });
    if (params.urls.length > 0) driver.navigate().refresh(); //! missing-await`,
    'commands to elements, under any name': `
    const button = await driver.findElement(By.css('button'));
    const all = await driver.findElements(By.css('input'));
    button.click(); //! missing-await
    all[0].sendKeys('a'); //! missing-await
    all.forEach((one) => one.clear()); //! missing-await
    for (const one of all) one.submit(); //! missing-await
    (await driver.findElement(By.css('a'))).click(); //! missing-await`,
    'commands in a step and in a batch': `
    await step('a', () => {
      driver.get('data:,a'); //! missing-await
    });
    await batch('b', params.urls, async (url, { driver: own, api: ownApi, save }) => {
      own.get(url); //! missing-await
      ownApi.get(url); //! missing-await
      save({ url }, { key: url });
    }, { key: (url) => url, sessions: 2 });`,
    'promises that are compared, tested or put into a text': `
    const box = await driver.findElement(By.css('input'));
    if (driver.getTitle() === 'a') return; //! missing-await
    if (box.isSelected()) return; //! missing-await
    if (!box.isEnabled()) return; //! missing-await
    while (box.isDisplayed()) await driver.sleep(1); //! missing-await
    log.info(\`the title is \${driver.getTitle()}\`); //! missing-await
    const text = box.isSelected() ? 'a' : 'b'; //! missing-await`,
    'promises of a combination that is dropped': `
    Promise.all([driver.get('data:,a'), step('a', () => 1)]); //! missing-await missing-await
    Promise.all(params.urls.map((url) => driver.get(url))); //! missing-await
    void Promise.allSettled(params.urls.map(async (url) => {
      await step(url, () => 1); //! missing-await
    }));`,
    'functions of the author that send commands': `
    const open = async (browser, url) => {
      await browser.get(url);
    };
    open(driver, 'data:,a'); //! missing-await`,
  },
  'outer-driver': {
    'the driver of run in a batch with the default concurrency': `
    await batch('pages', params.urls, async (url, { save }) => {
      await driver.get(url); //! outer-driver
      save({ title: await driver.getTitle() }, { key: url });
    }, { key: (url) => url });`,
    'the driver of run in a batch with more than one worker': `
    await batch('pages', params.urls, async (url) => driver.get(url), { key: (url) => url, concurrency: 3 }); //! outer-driver`,
    'the driver of run in a batch with sessions': `
    await batch('pages', params.urls, async (url) => {
      await driver.get(url); //! outer-driver
    }, { key: (url) => url, sessions: 3 });`,
    'the driver of run in a helper': `
    const visit = async (url: string) => {
      await driver.get(url); //! outer-driver
      return driver.getTitle();
    };
    await batch('pages', params.urls, (url) => visit(url), { key: (url) => url });`,
    'the driver of run as an argument': `
    const titleOf = async (browser: typeof driver, url: string) => {
      await browser.get(url);
      return browser.getTitle();
    };
    await batch('pages', params.urls, (url) => titleOf(driver, url), { key: (url) => url }); //! outer-driver`,
  },
  'changing-key': {
    'the time in the key of a step': `
    await step(\`page \${Date.now()}\`, () => 1); //! changing-key
    await step('at ' + new Date().toISOString(), () => 1); //! changing-key
    await step(String(Math.random()), () => 1); //! changing-key
    await step(crypto.randomUUID(), () => 1); //! changing-key
    await step(\`\${Math.round(performance.now())}\`, () => 1); //! changing-key`,
    'the time in a variable': `
    const today = new Date().toISOString().slice(0, 10);
    const stamp = () => Date.now();
    await step(\`prices of \${today}\`, () => 1); //! changing-key
    await step(\`prices at \${stamp()}\`, () => 1); //! changing-key
    await batch(\`prices \${today}\`, params.urls, (url) => url, { key: (url) => url }); //! changing-key`,
    'the date': `
    await step('prices of ' + new Date().toDateString(), () => 1); //! changing-key
    await batch(new Date().toISOString().split('T')[0]!, params.urls, (url) => url, { key: (url) => url }); //! changing-key`,
    'the index of an element in a list that is read from the page': `
    const links: string[] = [];
    for (const link of await driver.findElements(By.css('a'))) links.push(await link.getText());
    for (const [index, link] of links.entries()) await step(\`link \${index}\`, () => api.text(link)); //! changing-key
    const texts = await Promise.all((await driver.findElements(By.css('b'))).map((one) => one.getText()));
    await Promise.all(texts.map((text, index) => step('text ' + index, () => api.text(text)))); //! changing-key
    const names = await driver.executeScript<string[]>('return names');
    for (let i = 0; i < names.length; i += 1) await step(\`name \${i}\`, () => api.text(names[i]!)); //! changing-key
    let number = 0;
    for (const name of names) {
      number += 1;
      await step(\`number \${number}\`, () => api.text(name)); //! changing-key
    }
    const count = (await driver.findElements(By.css('i'))).length;
    for (let i = 0; i < count; i += 1) await step(\`row \${i}\`, () => api.text('/')); //! changing-key`,
    'the index of an item': `
    const urls = params.urls;
    let number = 0;
    await batch('a', urls, (url) => url, { key: (url, index) => String(index) }); //! changing-key
    await batch('b', urls, (url) => url, { key: (url) => \`\${urls.indexOf(url)}\` }); //! changing-key
    await batch('c', urls, (url) => url, { key: () => String(number++) }); //! changing-key
    await batch('d', urls, (url) => url, { key: (url) => url + Math.random() }); //! changing-key`,
  },
};

for (const [rule, sources] of Object.entries(BAD)) {
  describe(rule, () => {
    for (const [title, body] of Object.entries(sources)) {
      it(`warns about ${title}`, async () => {
        const { found, expected } = await checkSources({ 'a.ts': inRun(body) });
        expect(found).to.deep.equal(expected).and.not.deep.equal([]);
      });
    }

    it('names the consequence and the better form in one line', async () => {
      for (const body of Object.values(sources)) {
        const { warnings } = await checkSources({ 'a.ts': inRun(body) });
        for (const { message } of warnings) expect(message).to.match(/^[^\n]{60,420}\.$/);
      }
    });
  });
}

describe('a key with the date', () => {
  it('gives a warning that it changes once a day', async () => {
    const body = `
    const today = new Date().toISOString().slice(0, 10);
    await step(\`prices of \${today}\`, () => 1);
    await step(\`prices at \${new Date().toISOString()}\`, () => 1);`;
    const { warnings } = await checkSources({ 'a.ts': inRun(body) });
    expect(warnings.map(({ message }) => /once a day|each time/.exec(message)?.[0])).to.deep.equal([
      'once a day',
      'each time',
    ]);
  });
});

describe('warnings about `prepare`', () => {
  it('name commands that are not awaited', async () => {
    const { found, expected } = await checkSources({
      'a.mjs': `import { By, defineAction, z } from 'webdriver-supervisor';
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async prepare({ driver }) {
    driver.get('data:,login'); //! missing-await
    await driver.findElement(By.name('user')).sendKeys('ann');
    driver.findElement(By.css('button')).click(); //! missing-await
  },
  run() {},
});`,
    });
    expect(found).to.deep.equal(expected);
    expect(found).to.have.length(2);
  });
});

describe('warnings of a context that is not destructured', () => {
  it('are the same as for a destructured context', async () => {
    const { found, expected } = await checkSources({
      'a.mjs': `import { defineAction, z } from 'webdriver-supervisor';
const startedAt = Date.now();
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run(ctx) {
    ctx.step('a', () => 1); //! missing-await
    ctx.save({}, { key: 'a' }); //! missing-await
    await ctx.step('b', (tools) => tools.save({}, { key: 'b' }));
    await ctx.step(\`c \${startedAt}\`, () => 1); //! changing-key
    await ctx.batch('d', [1], async (n) => ctx.driver.get('x' + n), { key: String }); //! outer-driver
    await ctx.batch('e', [1], async (n, worker) => worker.driver.get('x' + n), { key: String, sessions: 2 });
  },
});
import { randomUUID } from 'node:crypto';
export async function helper({ step, driver, batch }) {
  await step(randomUUID(), () => 1); //! changing-key
  await batch('f', [1], async (n) => driver.get('x' + n), { key: String }); //! outer-driver
}`,
    });
    expect(found).to.deep.equal(expected);
  });
});
