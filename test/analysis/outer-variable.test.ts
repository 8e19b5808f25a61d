import { expect } from 'chai';

import { HIDDEN_CHANGE_FILES } from './hidden-change-files.ts';
import { HIDDEN_CHANGES } from './hidden-changes.ts';
import { checkSources, inRun } from './marked-source.ts';
import { BAD_FILES } from './outer-variable-files.ts';

const BAD: Readonly<Record<string, string>> = {
  'a list that a step adds to': `
    const rows: string[] = [];
    await step('a', async () => {
      rows.push(await driver.getTitle()); //! outer-variable
    });
    await save({ rows }, { key: 'all' });`,
  'a variable that a step assigns': `
    let title = '';
    await step('a', async () => {
      title = await driver.getTitle(); //! outer-variable
    });
    await save({ title }, { key: 'a' });`,
  'a condition of a loop': `
    for (let number = 1, hasNext = true; hasNext; number += 1) {
      await step(\`page \${number}\`, async () => {
        hasNext = (await driver.findElements(By.css('a.next'))).length > 0; //! outer-variable
      });
    }`,
  'a sum over the items of a batch': `
    let total = 0;
    await batch('prices', params.urls, async (url) => {
      total += await api.json<number>(url); //! outer-variable
    }, { key: (url) => url });
    await save({ total }, { key: 'total' });`,
  'a counter that is read in the next call of the same step': `
    let number = 0;
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        number += 1; //! outer-variable
        save({ url, number }, { key: url });
      });
    }`,
  'a value that is used while it is counted': `
    let number = 0;
    for (const url of params.urls) {
      await step(url, ({ save }) => {
        save({ number: number++ }, { key: url }); //! outer-variable
      });
    }`,
  'a set of what was seen in other items': `
    const seen = new Set<string>();
    await batch('pages', params.urls, async (url, { save }) => {
      const title = await api.text(url);
      if (seen.has(title)) return;
      seen.add(title); //! outer-variable
      save({ title }, { key: url });
    }, { key: (url) => url });`,
  'a map that is read afterwards': `
    const prices = new Map<string, number>();
    await batch('prices', params.urls, async (url) => {
      prices.set(url, await api.json<number>(url)); //! outer-variable
    }, { key: (url) => url });
    for (const [url, price] of prices) await save({ url, price }, { key: url });`,
  'an entry of an object': `
    const titles: Record<string, string> = {};
    for (const url of params.urls) {
      await step(url, async () => {
        titles[url] = await driver.getTitle(); //! outer-variable
      });
    }
    log.info(JSON.stringify(titles));
    await save(titles, { key: 'titles' });`,
  'a property of a state object': `
    const state = { page: 1, isLast: false };
    while (!state.isLast) {
      await step(\`page \${state.page}\`, async () => {
        state.isLast = (await driver.getTitle()) === 'last'; //! outer-variable
      });
      state.page += 1;
    }`,
  'a list in a state object, by another name': `
    const state = { rows: [] as string[] };
    await step('a', async () => {
      const { rows } = state;
      rows.push(await driver.getTitle()); //! outer-variable
    });
    await save({ all: state.rows }, { key: 'a' });`,
  'a destructuring assignment': `
    let first, second;
    await step('a', async () => {
      [first, { text: second }] = await api.json('/x'); //! outer-variable outer-variable
    });
    await save({ first, second }, { key: 'a' });`,
  'Object.assign': `
    const row = { url: 'x' };
    await step('a', async () => {
      Object.assign(row, await api.json<object>('/x')); //! outer-variable
    });
    await save(row, { key: 'a' });`,
  'delete, splice, sort and a queue': `
    const queue = [...params.urls];
    const open: Record<string, boolean> = {};
    const order = [3, 1];
    while (queue.length > 0) {
      await step('next', async () => {
        const url = queue.shift(); //! outer-variable
        delete open[String(url)]; //! outer-variable
        order.sort(); //! outer-variable
      });
    }
    await save({ open: Object.keys(open), order }, { key: 'a' });`,
  'items of a batch that get a new property': `
    const products = await step('list', () => api.json<{ id: string; price?: number }[]>('/list'));
    await batch('prices', products, async (product) => {
      product.price = await api.json<number>(product.id); //! outer-variable
    }, { key: ({ id }) => id });
    for (const product of products) await save(product, { key: product.id });`,
  'elements of a list that get a new property in a loop': `
    const products = [{ id: 'a', price: 0 }];
    for (const product of products) {
      await step(product.id, async () => {
        product.price = await api.json<number>(product.id); //! outer-variable
      });
    }
    await save({ products }, { key: 'all' });`,
  'a group in a map': `
    const groups = new Map<string, string[]>([['a', []]]);
    for (const url of params.urls) {
      await step(url, async () => {
        groups.get('a')?.push(url); //! outer-variable
      });
    }
    await save({ groups: [...groups] }, { key: 'all' });`,
  'a function within the callback': `
    const rows: string[] = [];
    await step('a', async () => {
      const visit = async (url: string) => {
        await driver.get(url);
        rows.push(await driver.getTitle()); //! outer-variable
      };
      for (const url of params.urls) await visit(url);
    });
    await save({ rows }, { key: 'all' });`,
  'a local function that the callback calls': `
    const rows: string[] = [];
    const visit = async (url: string) => {
      await driver.get(url);
      rows.push(await driver.getTitle()); //! outer-variable
    };
    for (const url of params.urls) await step(url, () => visit(url));
    await save({ rows }, { key: 'all' });`,
  'a function that is given by its name': `
    let title = '';
    async function read() {
      title = await driver.getTitle(); //! outer-variable
    }
    await step('a', read);
    await save({ title }, { key: 'a' });`,
  'a helper that gets the list as an argument': `
    const rows: string[] = [];
    const add = (list: string[], value: string) => {
      list.push(value); //! outer-variable
    };
    await step('a', async () => add(rows, await driver.getTitle()));
    await save({ rows }, { key: 'all' });`,
  'a callback that a function of the author passes on': `
    const rows: string[] = [];
    const once = (key: string, work: () => Promise<void>) => step(key, work);
    await once('a', async () => {
      rows.push(await driver.getTitle()); //! outer-variable
    });
    await save({ rows }, { key: 'all' });`,
  'a step within a step': `
    await step('all', async () => {
      const titles: string[] = [];
      for (const url of params.urls) {
        await step(url, async () => {
          titles.push(await driver.getTitle()); //! outer-variable
        });
      }
      return titles;
    });`,
  'a variable that another step reads': `
    let token = '';
    await step('log in', async () => {
      token = await driver.getTitle(); //! outer-variable
    });
    await step('read', async ({ save }) => save(await api.json<object>(token), { key: 'a' }));`,
  'a value that is only filled in by one of its readers': `
    let token: string | undefined;
    await step('log in', async () => {
      token ??= await driver.getTitle(); //! outer-variable
    });
    await step('read', async ({ save }) => save(await api.json<object>(token), { key: 'a' }));`,
  'a value that the next page is compared with': `
    let last = '';
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        const title = await driver.getTitle();
        if (title !== last) save({ title }, { key: url });
        last = title; //! outer-variable
      });
    }`,
  'a list that is made anew from itself': `
    let rows: string[] = [];
    for (const url of params.urls) {
      await step(url, async () => {
        rows = [...rows, await driver.getTitle()]; //! outer-variable
      });
    }
    await save({ rows }, { key: 'all' });`,
  'a list that is filled in a loop within try and finally': `
    const rows: string[] = [];
    for await (const url of params.urls) {
      try {
        await step(url, async () => void rows.push(url)); //! outer-variable
      } finally {
        log.info(url);
      }
    }
    return save({ rows }, { key: 'all' });`,
  'a comment without a reason': `
    const rows: string[] = [];
    await step('a', async () => {
      // replay-safe:
      rows.push(await driver.getTitle()); //! outer-variable
    });
    await save({ rows }, { key: 'all' });`,
};

describe('outer-variable', () => {
  for (const [title, body] of Object.entries({ ...BAD, ...HIDDEN_CHANGES })) {
    it(`warns about ${title}`, async () => {
      const { found, expected } = await checkSources({ 'a.ts': inRun(body) });
      expect(found).to.deep.equal(expected).and.not.deep.equal([]);
    });
  }

  for (const [title, files] of Object.entries({ ...BAD_FILES, ...HIDDEN_CHANGE_FILES })) {
    it(`warns about ${title}`, async () => {
      const { found, expected } = await checkSources(files);
      expect(found).to.deep.equal(expected).and.not.deep.equal([]);
    });
  }

  it('names the variable, the step and the better form in one line, and the call of the step', async () => {
    const { warnings } = await checkSources({ 'a.ts': inRun(BAD['a list that a step adds to']!) });
    expect(warnings[0]?.message).to.match(/^The step "a" changes `rows`.*const value = await step\(.*[^\n]$/);
    expect(warnings[0]?.call).to.include({ line: 6, column: 11 });
    expect(warnings[0]?.isModuleState).to.equal(false);
  });

  it('warns that the change of an item of a batch can be missing or made twice', async () => {
    const { warnings } = await checkSources({ 'a.ts': inRun(BAD['a sum over the items of a batch']!) });
    expect(warnings[0]?.message).to.match(/finished item is missing.*makes its change twice.*`results` of the batch/);
  });

  it('marks a variable of the module', async () => {
    const { warnings } = await checkSources(BAD_FILES['a variable of the module']!);
    expect(warnings[0]?.isModuleState).to.equal(true);
    expect(warnings[0]?.message).to.include('Declare the variable in `run`');
  });

  it('has no call for a change that `run` makes outside of steps', async () => {
    const { warnings } = await checkSources(BAD_FILES['a variable of the module that run changes itself']!);
    expect(warnings.map(({ call, isModuleState }) => ({ call, isModuleState }))).to.deep.equal([
      { call: null, isModuleState: true },
      { call: null, isModuleState: true },
    ]);
  });
});
