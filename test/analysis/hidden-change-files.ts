/** Actions of one or more files that change variables through classes and modules. `//! rule` marks each line that gets a warning. */
const action = (run: string, head = '') => `import { By, defineAction, z } from 'webdriver-supervisor';
${head}
export default defineAction({ name: 'a', description: 'a', params: z.object({ urls: z.array(z.string()) }),
  async run({ driver, params, step, save }) {
${run}
  },
});`;

export const HIDDEN_CHANGE_FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'an object that a module exports by default': {
    'a.ts': action(
      `    await step('a', async () => store.add(await driver.getTitle()));
    await save({ rows: store.rows }, { key: 'all' });`,
      "import store from './store.ts';",
    ),
    'store.ts': `class Store {
  readonly rows: string[] = [];
  add(row: string) {
    this.rows.push(row); //! outer-variable
  }
}
export default new Store();`,
  },
  'a list that a module exports by default': {
    'a.ts': action(
      `    await step('a', async () => {
      rows.push(await driver.getTitle()); //! outer-variable
    });
    await save({ rows }, { key: 'all' });`,
      "import rows from './rows.ts';",
    ),
    'rows.ts': 'export default [] as string[];',
  },
  'a class that a module exports by default': {
    'a.ts': action(
      `    const queue = new Queue();
    await step('a', async () => queue.enqueue(await driver.getTitle()));
    await save({ items: queue.items }, { key: 'all' });`,
      "import Queue from './queue.ts';",
    ),
    'queue.ts': `export default class {
  items: string[] = [];
  enqueue(item: string) {
    this.items.push(item); //! outer-variable
  }
}`,
  },
  'a function that a module exports by default': {
    'a.ts': action(
      `    const rows: string[] = [];
    for (const url of params.urls) await step(url, () => readPage({ driver, url, rows }));
    await save({ rows }, { key: 'all' });`,
      "import readPage from './pages.ts';",
    ),
    'pages.ts': `export default async function readPage(options: any) {
  await options.driver.get(options.url);
  options.rows.push(await options.driver.getTitle()); //! outer-variable
}`,
  },
  'a variable of a module that another module exports again': {
    'a.ts': action(
      `    await step('a', async () => {
      rows.push(await driver.getTitle()); //! outer-variable
    });
    await save({ rows, count: all.seen.size }, { key: 'all' });
    await step('b', async () => {
      all.seen.add('x'); //! outer-variable
    });`,
      "import { rows } from './index.ts';\nimport * as all from './index.ts';",
    ),
    'index.ts': "export * from './state.ts';",
    'state.ts': 'export const rows: string[] = [];\nexport const seen = new Set<string>();',
  },
  'a static instance': {
    'a.ts': action(
      `    await step('a', async () => Results.get().add(await driver.getTitle()));
    await step('b', ({ save }) => {
      const { names } = Results.get();
      save({ names }, { key: 'all' });
    });`,
      "import { Results } from './results.ts';",
    ),
    'results.ts': `export class Results {
  static #one: Results | undefined;
  readonly names: string[] = [];
  static get() {
    Results.#one ??= new Results();
    return Results.#one;
  }
  add(name: string) {
    this.names.push(name); //! outer-variable
  }
}`,
  },
  'static fields': {
    'a.ts': action(
      `    await step('a', async () => Stats.note(await driver.getTitle()));
    await save({ names: Stats.names, count: Stats.count }, { key: 'all' });`,
      `class Stats {
  static names: string[] = [];
  static count = 0;
  static note(name: string) {
    this.names.push(name); //! outer-variable
    Stats.count += 1; //! outer-variable
  }
}`,
    ),
  },
  'lists by their names in a map of the module': {
    'a.ts': action(
      `    for (const url of params.urls) {
      await step(url, async () => {
        useStore('rows').push(await driver.getTitle());
      });
    }
    await step('save', ({ save }) => save({ rows: useStore('rows') }, { key: 'all' }));`,
      `const stores = new Map<string, string[]>();
function useStore(name: string) {
  let store = stores.get(name);
  if (!store) {
    store = [];
    stores.set(name, store); //! outer-variable
  }
  return store;
}`,
    ),
  },
  'a field of a base class that a derived class changes': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
abstract class Scraper {
  protected readonly rows: string[] = [];
  protected readonly ctx: any;
  constructor(ctx: any) {
    this.ctx = ctx;
  }
  async scrape() {
    for (const url of this.ctx.params.urls) await this.ctx.step(url, () => this.page(url));
    await this.ctx.save({ rows: this.rows }, { key: 'all' });
  }
  abstract page(url: string): Promise<void>;
}
class ShopScraper extends Scraper {
  async page(url: string) {
    await this.ctx.driver.get(url);
    this.rows.push(await this.ctx.driver.getTitle()); //! outer-variable
  }
}
export default defineAction({ name: 'a', description: 'a', params: z.object({}), run: (ctx) => new ShopScraper(ctx).scrape() });`,
  },
  'a field that a base class changes and a derived class reads': {
    'a.ts': action(
      `    const list = new List();
    await step('a', async () => list.add(await driver.getTitle()));
    await list.save(save);`,
      `class Base {
  rows: string[] = [];
  add(row: string) {
    this.rows.push(row); //! outer-variable
  }
}
class List extends Base {
  save(save: any) {
    return save({ rows: this.rows }, { key: 'all' });
  }
}`,
    ),
  },
  'classes that extend a list and a set': {
    'a.ts': action(
      `    const rows = new Rows();
    const seen = new Seen();
    await step('a', async () => {
      rows.push(await driver.getTitle()); //! outer-variable
      seen.add(await driver.getTitle()); //! outer-variable
    });
    await save({ rows, seen: [...seen] }, { key: 'all' });`,
      'class Rows extends Array<string> {}\nclass Seen extends Set<string> {}',
    ),
  },
  'a list that a page object is given': {
    'a.ts': action(
      `    const rows: string[] = [];
    const list = new ListPage(driver, rows);
    for (const url of params.urls) await step(url, () => list.read(url));
    await save({ rows }, { key: 'all' });`,
      `class ListPage {
  driver: any;
  rows: string[];
  constructor(driver: any, rows: string[]) {
    this.driver = driver;
    this.rows = rows;
  }
  async read(url: string) {
    await this.driver.get(url);
    this.rows.push(await this.driver.getTitle()); //! outer-variable
  }
}`,
    ),
  },
  'a list that a page object of the step is given': {
    'a.ts': action(
      `    const rows: string[] = [];
    for (const url of params.urls) await step(url, () => new ListPage({ rows }).read(url));
    await save({ rows }, { key: 'all' });`,
      `class ListPage {
  options: { rows: string[] };
  constructor(options: { rows: string[] }) {
    this.options = options;
  }
  async read(url: string) {
    this.options.rows.push(url); //! outer-variable
  }
}`,
    ),
  },
  'an instance that another instance or a function is given': {
    'a.ts': action(
      `    const report = new Report();
    const page = new Page(report);
    for (const url of params.urls) {
      await step(url, () => page.read(url));
      await step(url + ' again', () => readPage(url, report));
    }
    for (const row of report.rows) await save({ row }, { key: row });
    await save({ names: report.names }, { key: 'names' });`,
      `class Report {
  readonly rows: string[] = [];
  readonly names: string[] = [];
  add(row: string) {
    this.rows.push(row); //! outer-variable
  }
  name(name: string) {
    this.names.push(name); //! outer-variable
  }
}
class Page {
  readonly report: Report;
  constructor(report: Report) {
    this.report = report;
  }
  async read(url: string) {
    this.report.add(url);
  }
}
async function readPage(url: string, report: Report) {
  report.name(url);
}`,
    ),
  },
  'a class that extends an emitter, and a listener in another class': {
    'a.ts': action(
      `    const bus = new Bus();
    const collector = new Collector(bus);
    await step('a', async () => bus.notify(await driver.getTitle()));
    await save({ rows: collector.rows }, { key: 'all' });`,
      `import { EventEmitter } from 'node:events';
class Bus extends EventEmitter {
  notify(row: string) {
    this.emit('row', row);
  }
}
class Collector {
  rows: string[] = [];
  constructor(bus: Bus) {
    bus.on('row', (row) => this.rows.push(row)); //! outer-variable
  }
}`,
    ),
  },
  'a field with an object that a function makes': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
function createStore() {
  const rows: string[] = [];
  const add = (row: string) => rows.push(row); //! outer-variable
  return { add, all: () => [...rows] };
}
class App {
  store = createStore();
  #seen = new Set<string>();
  ctx: any;
  constructor(ctx: any) {
    this.ctx = ctx;
  }
  async run() {
    for (const url of this.ctx.params.urls) {
      await this.ctx.step(url, () => {
        this.store.add(url);
        this.#mark(url);
      });
    }
    await this.ctx.save({ all: this.store.all(), seen: [...this.#seen] }, { key: 'all' });
  }
  #mark(url: string) {
    this.#seen.add(url); //! outer-variable
  }
}
export default defineAction({ name: 'a', description: 'a', params: z.object({}), run: (ctx) => new App(ctx).run() });`,
  },
  'an instance that a static method makes': {
    'a.ts': action(
      `    const report = await Report.create();
    await step('a', async () => report.add(await driver.getTitle()));
    await save(JSON.parse(JSON.stringify(report)), { key: 'all' });`,
      `class Report {
  readonly rows: string[] = [];
  static async create() {
    return new Report();
  }
  add(row: string) {
    this.rows.push(row); //! outer-variable
  }
}`,
    ),
  },
};
