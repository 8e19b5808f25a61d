/** Actions of one or more files that change variables in steps. A comment `//! rule` marks each line that gets a warning. */
export const BAD_FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a context that is not destructured': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  run: async (ctx) => {
    const rows: string[] = [];
    await ctx.step('a', async () => {
      rows.push(await ctx.driver.getTitle()); //! outer-variable
    });
    await ctx.save({ rows }, { key: 'a' });
  },
});`,
  },
  'a context under another name, destructured later and renamed': {
    'a.mjs': `import { defineAction as define, z } from 'webdriver-supervisor';
export default define({ name: 'a', description: 'a', params: z.object({}),
  async run(context) {
    const { step: once, save: keep } = context;
    let title;
    await once('a', async () => {
      title = 1; //! outer-variable
    });
    await keep({ title }, { key: 'a' });
  },
});`,
  },
  'helpers that get the context, or parts of it': {
    'a.js': `import { defineAction, z } from 'webdriver-supervisor';
const definition = { name: 'a', description: 'a', params: z.object({}), run };
async function run(ctx) {
  const rows = [];
  await first(ctx, rows);
  await second(ctx.step, rows);
  await third({ step: ctx.step, rows });
  await ctx.save({ rows }, { key: 'a' });
}
async function first({ step }, rows) {
  await step('a', () => { rows.push(1); }); //! outer-variable
}
async function second(s, list) {
  await s('b', () => { list.push(1); }); //! outer-variable
}
const third = async ({ step, rows }) => {
  await step('c', () => { rows.push(1); }); //! outer-variable
};
export default defineAction(definition);`,
  },
  'fields of a class': {
    'a.ts': `import { defineAction, z, type ActionContext } from 'webdriver-supervisor';
class Shop {
  #products: string[] = [];
  page = 1;
  ctx: ActionContext;
  constructor(ctx: ActionContext) {
    this.ctx = ctx;
  }
  async gather() {
    const self = this;
    await this.ctx.step('a', async () => {
      this.#products.push(await this.ctx.driver.getTitle()); //! outer-variable
      self.page += 1; //! outer-variable
      await this.note();
    });
    if (this.page > 1) await this.ctx.save({ all: this.#products, noted: this.noted }, { key: 'a' });
  }
  noted = false;
  async note() {
    this.noted = true; //! outer-variable
  }
}
export default defineAction({ name: 'a', description: 'a', params: z.object({}), run: (ctx) => new Shop(ctx).gather() });`,
  },
  'a variable of the module': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
const rows: string[] = [];
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run({ step, save }) {
    await step('a', () => { rows.push('x'); }); //! outer-variable
    await save({ rows }, { key: 'a' });
  },
});`,
  },
  'a variable of the module that run changes itself': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
const rows: string[] = [];
let page = 1;
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run({ step, save }) {
    rows.push(await step('a', () => 'x')); //! outer-variable
    while (page < 4) {
      await step(\`page \${page}\`, () => 1);
      page += 1; //! outer-variable
    }
    await save({ rows }, { key: 'a' });
  },
});`,
  },
  'a flag of the module about the session': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
let isLoggedIn = false;
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run({ step, driver }) {
    await step('a', async () => {
      if (!isLoggedIn) {
        await driver.get('data:,login');
        isLoggedIn = true; //! outer-variable
      }
    });
  },
});`,
  },
  'a local module that collects': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
import { remember, all } from './store.ts';
import * as counts from './counts.ts';
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run({ step, save }) {
    await step('a', async () => {
      remember('x');
      counts.count();
    });
    await save({ rows: all(), count: counts.value }, { key: 'a' });
  },
});`,
    'counts.ts': `export let value = 0;
export function count(): void {
  value += 1; //! outer-variable
}
export const isMany = () => value > 3;`,
    'store.ts': `const rows: string[] = [];
export const remember = (row: string): void => {
  rows.push(row); //! outer-variable
};
export function all(): string[] {
  return rows;
}`,
  },
  'a list that another module exports': {
    'a.ts': `import { defineAction, z } from 'webdriver-supervisor';
import { rows } from './rows.ts';
export default defineAction({ name: 'a', description: 'a', params: z.object({}),
  async run({ step, save }) {
    await step('a', async () => {
      rows.push('x'); //! outer-variable
    });
    await save({ rows }, { key: 'a' });
  },
});`,
    'rows.ts': 'export const rows: string[] = [];',
  },
};
