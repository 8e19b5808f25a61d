/** Bodies of `run` that use helpers with their own state and give no warning, by the reason. */
export const GOOD_HELPERS: Readonly<Record<string, string>> = {
  'a collector that a step makes': `
    const createCollector = () => {
      const rows: string[] = [];
      return { add: (row: string) => { rows.push(row); }, all: () => rows };
    };
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        const collector = createCollector();
        collector.add(await driver.getTitle());
        save({ rows: collector.all() }, { key: url });
      });
    }`,
  'a collector that gets the values of steps': `
    function createCollector() {
      const rows: string[] = [];
      return { add: (row: string) => { rows.push(row); }, all: () => rows };
    }
    const collector = createCollector();
    for (const url of params.urls) collector.add(await step(url, () => driver.getTitle()));
    await save({ rows: collector.all() }, { key: 'all' });`,
  'a weak set of drivers that are logged in': `
    const loggedIn = new WeakSet();
    await batch('pages', params.urls, async (url, { driver: own, save }) => {
      if (!loggedIn.has(own)) {
        await own.get('/login');
        loggedIn.add(own);
      }
      await own.get(url);
      save({ title: await own.getTitle() }, { key: url });
    }, { key: String, sessions: 2 });`,
  'values that are made of themselves': `
    let options: Record<string, unknown> = { url: '/' };
    let rows: string[] = [];
    let visit = (url: string): unknown => api.text(url);
    const before = visit;
    visit = (url) => before(url + '?');
    for (const url of params.urls) {
      options = { ...options, url };
      rows = [...rows, ...rows.slice(1), url];
      const given = options;
      const [first] = rows;
      await step(url, ({ save }) => save({ given, first, visited: visit(url) }, { key: url }));
    }
    await save({ ...options, rows }, { key: 'all' });`,
  'a page object without state': `
    const createPage = (css: string) => ({
      open: (url: string) => driver.get(url),
      read: async () => (await driver.findElement(By.css(css))).getText(),
    });
    const page = createPage('h1');
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        await page.open(url);
        save({ text: await page.read() }, { key: url });
      });
    }`,
  'a function that remembers what it has computed': `
    const remember = (compute: (url: string) => Promise<string>) => {
      const known = new Map<string, string>();
      return async (url: string) => {
        if (!known.has(url)) known.set(url, await compute(url));
        return known.get(url);
      };
    };
    const textOf = remember((url) => api.text(url));
    for (const url of params.urls) await step(url, async ({ save }) => save({ text: await textOf(url) }, { key: url }));
    await step('again', async ({ save }) => save({ text: await textOf('/') }, { key: 'again' }));`,
  'a pause that a function makes': `
    const createPause = (ms: number) => {
      let last = 0;
      return async () => {
        const wait = last + ms - Date.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        last = Date.now();
      };
    };
    const pause = createPause(100);
    for (const url of params.urls) await step(url, async () => { await pause(); return api.text(url); });`,
  'a limit of calls at the same time': `
    const createLimit = (size: number) => {
      const waiting: (() => void)[] = [];
      let active = 0;
      return async <T>(work: () => Promise<T>): Promise<T> => {
        if (active >= size) await new Promise<void>((resolve) => { waiting.push(resolve); });
        active += 1;
        try {
          return await work();
        } finally {
          active -= 1;
          waiting.shift()?.();
        }
      };
    };
    const limit = createLimit(2);
    await batch('pages', params.urls, async (url, { save }) => save({ text: await limit(() => api.text(url)) }, { key: url }), { key: (url) => url });`,
  'a lock made of promises': `
    let last: Promise<unknown> = Promise.resolve();
    const alone = <T>(work: () => Promise<T>): Promise<T> => {
      const next = last.then(work);
      last = next.catch(() => undefined);
      return next;
    };
    await batch('pages', params.urls, async (url, { save }) => save({ text: await alone(() => api.text(url)) }, { key: url }), { key: (url) => url });`,
  'attempts that a helper counts': `
    const retry = async <T>(work: () => Promise<T>, { times = 3 } = {}): Promise<T> => {
      const errors: unknown[] = [];
      for (let attempt = 0; attempt < times; attempt += 1) {
        try {
          return await work();
        } catch (error) {
          errors.push(error);
        }
      }
      throw new AggregateError(errors);
    };
    for (const url of params.urls) await step(url, async ({ save }) => save({ text: await retry(() => api.text(url)) }, { key: url }));
    await step('last', async ({ save }) => save({ text: await retry(() => api.text('/')) }, { key: 'last' }));`,
  'a helper that gets a list of the step in its options': `
    const readPage = async (options: { url: string; rows: string[] }) => {
      options.rows.push(await api.text(options.url));
    };
    const all: string[] = [];
    await readPage({ url: '/', rows: all });
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        const rows: string[] = [];
        await readPage({ url, rows });
        save({ rows }, { key: url });
      });
    }
    await save({ all }, { key: 'all' });`,
  'a helper with a default list': `
    const readPage = async (url: string, rows: string[] = []) => {
      rows.push(await api.text(url));
      return rows;
    };
    for (const url of params.urls) await step(url, async ({ save }) => save({ rows: await readPage(url) }, { key: url }));`,
  'a callback that another step gives to the same helper': `
    const visit = async (url: string, onTitle: (title: string) => void) => {
      await driver.get(url);
      onTitle(await driver.getTitle());
    };
    const titles: string[] = [];
    await visit('/', (title) => { titles.push(title); });
    await step('a', async ({ save }) => {
      await visit('/a', (title) => { save({ title }, { key: 'a' }); });
    });
    await save({ titles }, { key: 'titles' });`,
  'copies of params': `
    const options = { ...params, page: 1 };
    options.page = 2;
    const urls = [...params.urls];
    urls.push('/more');
    for (const url of urls) {
      await step(url, async ({ save }) => {
        const open = [...params.urls, url];
        const sorted = params.urls.toSorted();
        open.push('/x');
        sorted.push('/y');
        save({ open, sorted, page: options.page }, { key: url });
      });
    }`,
  'copies of a list and of its elements': `
    const rows = await step('list', () => api.json<{ id: string; price: number }[]>('/list'));
    for (const { id } of rows) {
      await step(id, async ({ save }) => {
        const copy = rows.map((row) => ({ ...row }));
        for (const row of copy) row.price += 1;
        const others = rows.filter((row) => row.id !== id);
        others.push({ id: 'x', price: 0 });
        others.sort();
        const [first] = rows.slice();
        const changed = { ...first, price: 3 };
        changed.price = 4;
        save({ copy, others, changed }, { key: id });
      });
    }
    await save({ rows }, { key: 'all' });`,
  'an emitter whose listeners only log': `
    const events = new EventTarget();
    let count = 0;
    events.addEventListener('row', () => {
      count += 1;
      log.info(\`\${count} rows\`);
    });
    for (const url of params.urls) {
      await step(url, async () => {
        await driver.get(url);
        events.dispatchEvent(new Event('row'));
      });
    }`,
  'an emitter of the step itself, and listeners of other events': `
    const rows: string[] = [];
    const outer = new EventTarget();
    outer.addEventListener('row', () => { rows.push('x'); });
    await step('a', async ({ save }) => {
      const found: string[] = [];
      const inner = new EventTarget();
      inner.addEventListener('row', () => { found.push('y'); });
      inner.dispatchEvent(new Event('row'));
      outer.dispatchEvent(new Event('end'));
      save({ found }, { key: 'a' });
    });
    outer.dispatchEvent(new Event('row'));
    await save({ rows }, { key: 'all' });`,
  'a table of functions without state': `
    const parsers: Record<string, (text: string) => unknown> = { number: (text) => Number(text), text: (text) => text.trim() };
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        const kind = url.endsWith('1') ? 'number' : 'text';
        save({ value: parsers[kind]?.(await api.text(url)) }, { key: url });
      });
    }`,
  'errors that are only logged': `
    const errors: string[] = [];
    const failed: string[] = [];
    for (const url of params.urls) {
      await step(url, async ({ save }) => {
        try {
          save({ text: await api.text(url) }, { key: url });
        } catch (error) {
          errors.push(String(error));
          failed.push(url);
        }
      });
    }
    if (errors.length > 0) log.warn(\`\${errors.length} pages could not be read\`, { errors });
    else console.log('no errors', errors);
    for (const url of failed) log.warn(url);
    failed.forEach((url) => log.warn(url));`,
  'indexes of lists that stay the same': `
    const links = await step('links', async () => {
      const found = await driver.findElements(By.css('a'));
      return Promise.all(found.map((link) => link.getText()));
    });
    for (const [index, link] of links.entries()) await step(\`link \${index}\`, () => api.text(link));
    links.forEach((link, index) => log.info(\`\${index} \${link}\`));
    const kinds = ['a', 'b'];
    for (let i = 0; i < kinds.length; i += 1) await step(\`kind \${i}\`, () => api.text(String(kinds[i])));
    for (let page = 1; page <= 5; page++) await step('page ' + page, () => driver.get(String(page)));
    const pages = (await driver.findElements(By.css('.page'))).length;
    for (let page = 1; page <= pages; page += 1) await step(\`list \${page}\`, () => driver.get(String(page)));`,
  'an index beside the element of a list that is read from the page': `
    const found = await driver.findElements(By.css('a'));
    const links = await Promise.all(found.map((link) => link.getText()));
    for (const [index, link] of links.entries()) await step(\`\${index} \${link}\`, () => api.text(link));
    for (let i = 0; i < links.length; i += 1) await step(\`link \${i} \${links[i]}\`, () => api.text(String(links[i])));`,
};
