/** Actions of one or more files that give no warning, by the reason. */
export const GOOD_FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a page object that a step makes': {
    'a.ts': `import { By, defineAction, z, type WebDriver } from 'webdriver-supervisor';
class ListPage {
  readonly #driver: WebDriver;
  rows: string[] = [];
  page = 0;
  constructor(driver: WebDriver) {
    this.#driver = driver;
  }
  async load(url: string) {
    await this.#driver.get(url);
    this.page += 1;
    for (const row of await this.#driver.findElements(By.css('tr'))) this.rows.push(await row.getText());
    return this;
  }
}
export default defineAction({ name: 'a', description: 'a', params: z.object({ urls: z.array(z.string()) }),
  async run({ driver, params, step, save }) {
    const all: string[] = [];
    for (const url of params.urls) {
      const rows = await step(url, async () => {
        const page = new ListPage(driver);
        await page.load(url);
        return page.rows;
      });
      all.push(...rows);
    }
    await save({ all }, { key: 'all' });
  },
});`,
  },
  'a page object that is made outside and stores data that one step needs': {
    'a.mjs': `import { By, defineAction, z } from 'webdriver-supervisor';
class ListPage {
  constructor(driver) {
    this.driver = driver;
    this.title = '';
  }
  async open(url) {
    await this.driver.get(url);
    this.title = await this.driver.getTitle();
  }
  async read() {
    return { title: this.title, text: await this.driver.findElement(By.css('body')).getText() };
  }
}
export default defineAction({ name: 'a', description: 'a', params: z.object({ urls: z.array(z.string()) }),
  async run({ driver, params, step }) {
    const page = new ListPage(driver);
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        await page.open(url);
        save(await page.read(), { key: url });
      });
    }
  },
});`,
  },
  'a class that runs the steps and gathers their values': {
    'a.ts': `import { defineAction, z, type ActionContext } from 'webdriver-supervisor';
class Shop {
  readonly products: string[] = [];
  readonly ctx: ActionContext;
  constructor(ctx: ActionContext) {
    this.ctx = ctx;
  }
  async gather() {
    const { step, save, driver } = this.ctx;
    this.products.push(await step('a', () => driver.getTitle()));
    const more = await this.ctx.step('b', async () => [await this.ctx.driver.getTitle()]);
    this.products.push(...more);
    await save({ all: this.products }, { key: 'a' });
  }
}
export default defineAction({ name: 'a', description: 'a', params: z.object({}), run: async (ctx) => {
  const shop = new Shop(ctx);
  await shop.gather();
} });`,
  },
  'helpers that take a driver, with default parameters': {
    'a.js': `import { defineAction, z } from 'webdriver-supervisor';
import { readAll } from './helpers.js';
const SELECTORS = { row: 'tr' };
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async prepare({ driver }) {
    await driver.get('data:,x');
  },
  async run({ driver, step, save }) {
    const rows = await step('a', () => readAll(driver, SELECTORS.row));
    await save({ rows }, { key: 'a' });
  },
});`,
    'helpers.js': `const RETRIES = 3;
const cache = new Map();
export async function readAll(driver, css = 'tr', { retries = RETRIES, into = [] } = {}) {
  const key = css + retries;
  if (!cache.has(key)) cache.set(key, css.trim());
  for (let attempt = 0; attempt < retries; attempt++) {
    const rows = await driver.findElements({ css: cache.get(key) });
    for (const row of rows) into.push(await row.getText());
    if (into.length > 0) break;
  }
  return into;
}`,
  },
  'module variables that each entry of run sets anew': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
let rows: string[] = [];
const seen = new Set<string>();
let base: string;
export default defineAction({ name: 'a', description: 'a', params: z.object({ url: z.string() }),
  prepare({ params }) {
    base = params.url;
  },
  async run({ step, save }) {
    rows = [];
    seen.clear();
    const row = await step('a', () => base);
    rows.push(row);
    if (!seen.has(row)) seen.add(row);
    await save({ rows }, { key: 'a' });
  },
});`,
  },
  'a pause between requests': {
    'a.mjs': `import { defineAction, z } from 'webdriver-supervisor';
let lastCall = 0;
const pause = async () => {
  const ms = lastCall + 100 - Date.now();
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  lastCall = Date.now();
};
export default defineAction({ name: 'a', description: 'a', params: z.object({ urls: z.array(z.string()) }),
  async run({ params, step, api }) {
    for (const url of params.urls) {
      await step(url, async () => {
        await pause();
        return api.text(url);
      });
    }
  },
});`,
  },
  'page objects of two classes with a common base': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
abstract class BasePage {
  title = '';
  driver: any;
  constructor(driver: any) {
    this.driver = driver;
  }
  async open(url: string) {
    await this.driver.get(url);
    this.title = await this.driver.getTitle();
  }
}
class ListPage extends BasePage {
  links() {
    return this.driver.executeScript('return links');
  }
}
class ProductPage extends BasePage {
  read() {
    return { title: this.title };
  }
}
const createPages = (driver: any) => ({ list: new ListPage(driver), product: new ProductPage(driver) });
export default defineAction({ name: 'a', description: 'a', params: z.object({ url: z.string() }),
  async run({ driver, params, step }) {
    const { list, product } = createPages(driver);
    const links: string[] = await step('list', async () => {
      await list.open(params.url);
      return list.links();
    });
    for (const link of links) {
      await step(link, async ({ save }) => {
        await product.open(link);
        save(product.read(), { key: link });
      });
    }
  },
});`,
  },
  'a file that is not an action': { 'a.ts': 'export default 1; const step = (n: number) => n; step(1);' },
  'a file that cannot be parsed': { 'a.mjs': 'export default {;' },
  'a CommonJS file': { 'a.cjs': "const { x } = require('./x'); return; module.exports = { x };" },
};
