import { readFileSync, globSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { checkActionFile } from '../../src/analysis/analysis.ts';
import { actionTemplate } from '../../src/cli/run/new-templates.ts';
import { GOOD_FILES } from './good-files.ts';
import { GOOD_HELPERS } from './good-helpers.ts';
import { checkSources, inRun } from './marked-source.ts';

const GOOD: Readonly<Record<string, string>> = {
  'the value of a step, assigned outside of it': `
    let rows: string[] = [];
    rows = await step('a', async () => [await driver.getTitle()]);
    rows.push(await step('b', () => driver.getTitle()));
    await save({ rows }, { key: 'all' });`,
  'variables of the callback itself': `
    await step('a', async ({ save }) => {
      const rows: string[] = [];
      let count = 0;
      for (const url of params.urls) {
        await driver.get(url);
        rows.push(await driver.getTitle());
        count += 1;
      }
      save({ rows, count }, { key: 'a' });
    });`,
  'names of the surroundings that are declared again': `
    const rows = ['x'];
    await step('a', async () => {
      const rows: string[] = [];
      rows.push(await driver.getTitle());
      return rows;
    });
    await save({ rows }, { key: 'all' });`,
  'the tools of a batch': `
    await batch('pages', params.urls, async (url, { add, skip, save }) => {
      if (url === '') skip('empty');
      add(url + '/x');
      save({ url }, { key: url });
    }, { key: (url) => url });`,
  'a helper that collects in a list of its own': `
    const add = (list: string[], value: string) => {
      list.push(value);
      return list;
    };
    const outside = add([], 'x');
    await step('a', async () => {
      const inside: string[] = [];
      add(inside, await driver.getTitle());
      return inside;
    });
    await save({ all: add(outside, 'y') }, { key: 'a' });`,
  'a recursive function within a step': `
    const visit = async (url: string, depth: number): Promise<string[]> => {
      const found: string[] = [];
      for (const next of await api.json<string[]>(url)) found.push(next, ...(depth > 0 ? await visit(next, depth - 1) : []));
      return found;
    };
    await step('tree', () => visit('/', 3));`,
  'a cache that every reader fills': `
    const cache = new Map<string, number>();
    const priceOf = async (url: string) => {
      if (!cache.has(url)) cache.set(url, await api.json<number>(url));
      return cache.get(url);
    };
    await batch('a', params.urls, async (url, { save }) => save({ price: await priceOf(url) }, { key: url }), { key: (url) => url });
    await batch('b', params.urls, async (url, { save }) => save({ price: await priceOf(url) }, { key: url }), { key: (url) => url });`,
  'a value that every reader fills': `
    let token: string | undefined;
    await step('a', async ({ save }) => {
      token ??= await api.text('/token');
      save({ token }, { key: 'a' });
    });
    await step('b', async ({ save }) => {
      if (token === undefined) token = await api.text('/token');
      save({ token }, { key: 'b' });
    });`,
  'a log-in that is made once per entry of run': `
    let isLoggedIn = false;
    const logIn = async () => {
      if (!isLoggedIn) {
        await driver.get('data:,login');
        isLoggedIn = true;
      }
    };
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        await logIn();
        save({ title: await driver.getTitle() }, { key: url });
      });
    }`,
  'counts that are only shown': `
    let count = 0;
    await batch('pages', params.urls, async (url, { save }) => {
      save({ url }, { key: url });
      count += 1;
      progress(count, params.urls.length);
      log.info(\`\${count} pages\`);
      console.log(count);
    }, { key: (url) => url });
    log.info('done', { count });`,
  'an address that each step changes before it uses it': `
    const address = new URL('https://example.com/');
    for (let page = 1; page < 4; page += 1) {
      await step(\`page \${page}\`, async ({ save }) => {
        address.searchParams.set('page', String(page));
        address.hash = 'top';
        await driver.get(address.href);
        save({ title: await driver.getTitle() }, { key: String(page) });
      });
    }`,
  'a variable that each step sets before it reads it': `
    let current = '';
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        current = await driver.getTitle();
        save({ current }, { key: url });
      });
    }`,
  'attempts of a step, counted within the step': `
    await step('a', async ({ save }) => {
      for (let attempt = 0; attempt < 3; attempt += 1) {
        try {
          save({ attempt }, { key: 'a' });
          break;
        } catch (error) {
          log.warn(String(error));
        } finally {
          await driver.get('data:,x');
        }
      }
    });`,
  'a change that nothing reads': `
    const finished: string[] = [];
    await batch('pages', params.urls, async (url) => {
      finished.push(url);
    }, { key: (url) => url });`,
  'a change after the last reader': `
    let first = true;
    if (first) log.info('begins');
    await step('a', async () => {
      first = false;
    });`,
  'results of a batch that are gathered outside of it': `
    const prices = new Map<string, number>();
    const { results } = await batch('prices', params.urls, (url) => api.json<number>(url), { key: (url) => url });
    for (const result of results) if (result.status === 'done') prices.set(result.key, result.value);
    await save(Object.fromEntries(prices), { key: 'all' });`,
  'a queue outside of steps': `
    const queue = [...params.urls];
    const seen = new Set(queue);
    for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
      const links = await step(url, async () => api.json<string[]>(String(url)));
      for (const link of links) {
        if (seen.has(link)) continue;
        seen.add(link);
        queue.push(link);
      }
    }`,
  'items that get a property for their own record only': `
    const products = await step('list', () => api.json<{ id: string; price?: number }[]>('/list'));
    if (products.length === 0) return;
    await batch('prices', products, async (product, { save }) => {
      product.price = await api.json<number>(product.id);
      save(product, { key: product.id });
    }, { key: ({ id }) => id });
    log.info(\`\${products.length} products\`);
    await save({ count: products.length }, { key: 'count', dataset: 'counts' });`,
  'code that runs in the page': `
    let total = 0;
    await step('a', async ({ save }) => {
      const found = await driver.executeScript<number>(() => { let total = 0; total += 1; globalThis.name = 'x'; return total; });
      await driver.executeScript(function () { (globalThis as { seen?: number[] }).seen?.push(1); });
      save({ found }, { key: 'a' });
    });
    await save({ total }, { key: 'total' });`,
  'methods of selenium that share a name with those of a map': `
    const input = await driver.findElement(By.css('input'));
    await step('a', async () => {
      await input.clear();
      await input.sendKeys('x');
      await driver.manage().addCookie({ name: 'a', value: 'b' });
      await driver.manage().deleteAllCookies();
      await driver.actions().clear();
    });`,
  'a store outside of the program': `
    const store = await openStore();
    await step('a', async () => {
      await store.set('a', await driver.getTitle());
      await store.delete('b');
    });
    await step('b', async ({ save }) => save({ a: await store.get('a') }, { key: 'a' }));
    async function openStore() { return new Map<string, string>(); }`,
  'elements that are found and used in one step': `
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        await driver.get(url);
        const rows = await driver.findElements(By.css('tr'));
        for (const row of rows) {
          const cell = await row.findElement(By.css('td'));
          save({ text: await cell.getText() }, { key: await row.getAttribute('id') });
        }
      });
    }`,
  'texts of elements as the value of a step': `
    const texts = await step('a', async () => {
      const rows = await driver.findElements(By.css('tr'));
      return Promise.all(rows.map((row) => row.getText()));
    });
    const count = await step('b', async () => (await driver.findElements(By.css('tr'))).length);
    const isShown = await step('c', async () => (await driver.wait(until.elementLocated(By.css('b')), 100)).isDisplayed());
    const hasAny = await step('d', async () => {
      const [first] = await driver.findElements(By.css('tr'));
      return first !== undefined && { text: await first.getText() };
    });
    await save({ texts, count, isShown, hasAny }, { key: 'a' });`,
  'addresses of elements that are found outside of steps': `
    const links = await driver.findElements(By.css('a'));
    const addresses = await Promise.all(links.map((link) => link.getAttribute('href')));
    for (const address of addresses) await step(address, () => driver.get(address));`,
  'an element that is found outside and used in the one step after it': `
    await driver.get('data:,x');
    const button = await driver.findElement(By.css('button'));
    await step('press', async () => {
      await button.click();
    });`,
  'elements that are found again in each turn of a loop': `
    for (const url of params.urls) {
      const title = await driver.getTitle();
      await step(url, async ({ save }) => {
        const find = () => driver.findElement(By.css('h1'));
        save({ title, text: await find().getText() }, { key: url });
      });
    }`,
  'promises of steps that are awaited later': `
    const first = step('a', () => 1);
    const all = Promise.all(params.urls.map(async (url) => step(url, () => 1)));
    const others = params.urls.map((url) => step(\`\${url} again\`, () => 1));
    await Promise.all(others);
    await Promise.allSettled([first, all]);
    const [x, y] = await Promise.all([step('x', () => 1), step('y', () => 2)]);
    if (x > 0) return void (await step('z', () => y));
    await (x > 1 ? step('b', () => 1) : step('c', () => 1));
    if (y > 3) await step('d', () => 1).catch(() => undefined);
    return step('last', () => undefined);`,
  'functions that return the promise of a step': `
    const visit = (url: string) => step(url, () => driver.get(url));
    const visitAll = async () => {
      for (const url of params.urls) await visit(url);
    };
    await visitAll();
    const isDone = params.urls.length > 3 && (await visit('x'), true);
    if (isDone) await visitAll();`,
  'the synchronous save of a step and of a batch': `
    await step('a', ({ save }) => {
      params.urls.forEach((url) => save({ url }, { key: url }));
      save({}, { key: 'x' });
    });
    await step('b', (tools) => tools.save({}, { key: 'y' }));
    await batch('c', params.urls, (url, { save: keep }) => { keep({ url }, { key: url }); }, { key: (url) => url });`,
  'a helper that is given the save of a step': `
    const store = (save: (record: object, options: { key: string }) => void, url: string) => {
      save({ url }, { key: url });
    };
    await step('a', ({ save }) => {
      for (const url of params.urls) store(save, url);
    });`,
  'the driver of the worker': `
    const look = async (driver: { getTitle(): Promise<string> }, url: string) => ({ url, title: await driver.getTitle() });
    await step('first', async () => look(driver, 'x'));
    await batch('pages', params.urls, async (url, { driver, save }) => save(await look(driver, url), { key: url }), { key: (url) => url, sessions: 3 });`,
  'the outer driver with one worker': `
    await batch('pages', params.urls, async (url, { save }) => {
      await driver.get(url);
      save({ title: await driver.getTitle() }, { key: url });
    }, { key: (url) => url, concurrency: 1 });
    const options = { key: (url: string) => url, concurrency: 1 };
    await batch('again', params.urls, async (url) => driver.get(url), options);`,
  'keys that are built from the data of the work': `
    const today = await step('today', () => new Date().toISOString().slice(0, 10));
    const id = await step('id', () => crypto.randomUUID());
    let number = 0;
    for (const url of params.urls) {
      number += 1;
      await step(\`\${number} \${url}\`, () => new Date(2020, 1, 1).getTime());
      await step(\`\${today} \${url} \${new Date('2020-01-01').toISOString()}\`, () => Math.random());
    }
    for (const [index, url] of params.urls.entries()) await step(\`page \${index}\`, () => driver.get(url));
    for (let page = 1; page < 3; page++) await step(\`page \${page} of \${id}\`, () => Date.now());
    await Promise.all(params.urls.map((url, index) => step(\`\${index}\`, () => api.text(url))));
    const started = Date.now();
    const list = await api.json<{ id: string }[]>(\`/list?at=\${Date.now()}\`);
    await batch('list', list, async (item, { save }) => save({ ...item, at: started }, { key: item.id }), { key: (item) => item.id });
    log.info(\`\${Date.now() - started} ms\`);`,
  'other functions that are named step and batch': `
    const total = steps(0, 10, { step: 2 });
    const slider = { step: (key: string, change: () => void) => (change(), key) };
    let value = 0;
    slider.step('up', () => { value += 1; });
    await save({ total, value }, { key: 'a' });
    function steps(from: number, to: number, { step }: { step: number }) { return (to - from) / step; }`,
  'a comment with a reason': `
    const rows: string[] = [];
    await step('a', async () => {
      rows.push(await driver.getTitle()); // replay-safe: rows are read in this entry of run only
      // replay-safe: the order does not matter
      rows.push('x');
      /* replay-safe: the same */
      rows.push('y');
    });
    await save({ count: rows.length }, { key: 'all' });`,
};

describe('good actions', () => {
  for (const [title, body] of Object.entries({ ...GOOD, ...GOOD_HELPERS })) {
    it(`give no warning for ${title}`, async () => {
      const { warnings } = await checkSources({ 'a.ts': inRun(body) });
      expect(warnings).to.deep.equal([]);
    });
  }

  for (const [title, files] of Object.entries(GOOD_FILES)) {
    it(`give no warning for ${title}`, async () => {
      const { warnings } = await checkSources(files);
      expect(warnings).to.deep.equal([]);
    });
  }

  for (const file of globSync('{actions,test/fixtures/actions}/*.ts').sort()) {
    it(`give no warning for ${file}`, async () => {
      expect(await checkActionFile(path.resolve(file))).to.deep.equal([]);
    });
  }

  it('give no warning for the examples of the README', async () => {
    const text = readFileSync('README.md', 'utf8');
    const examples = [...text.matchAll(/```ts\n(?:\/\/ file: \S+\n)?([\s\S]*?)```/g)].map(([, code = '']) => code);
    expect(examples.length).to.be.greaterThan(2);
    for (const code of examples) expect((await checkSources({ 'a.ts': code })).warnings).to.deep.equal([]);
  });

  it('give no warning for the action that the command `new` writes', async () => {
    const { warnings } = await checkSources({ 'a.ts': actionTemplate('gather-prices') });
    expect(warnings).to.deep.equal([]);
  });
});
