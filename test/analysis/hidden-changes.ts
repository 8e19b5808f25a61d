/** Bodies of `run` that change variables through other objects and functions. A comment `//! rule` marks each line that gets a warning. */
export const HIDDEN_CHANGES: Readonly<Record<string, string>> = {
  'a collector that a function makes': `
    function createCollector() {
      const rows: string[] = [];
      return { add: (row: string) => { rows.push(row); }, all: () => rows }; //! outer-variable
    }
    const collector = createCollector();
    for (const url of params.urls) await step(url, async () => collector.add(await driver.getTitle()));
    await step('save', ({ save }) => { save({ rows: collector.all() }, { key: 'all' }); });`,
  'a collector with a state object': `
    const createStats = () => ({ count: 0, seen: [] as string[], note(url: string) {
      this.count += 1; //! outer-variable
      this.seen.push(url); //! outer-variable
    } });
    const stats = createStats();
    for (const url of params.urls) await step(url, () => stats.note(url));
    const { count } = stats;
    await save({ count, seen: stats.seen }, { key: 'all' });`,
  'an object with methods': `
    const basket = {
      names: [] as string[],
      note(name: string) {
        this.names.push(name); //! outer-variable
      },
    };
    await step('a', async () => basket.note(await driver.getTitle()));
    await save({ names: basket.names }, { key: 'all' });`,
  'a function that gets the list and returns another function': `
    const addTo = (list: string[]) => (row: string) => {
      list.push(row); //! outer-variable outer-variable
    };
    const rows: string[] = [];
    const add = addTo(rows);
    await step('a', async () => add(await driver.getTitle()));
    await step('b', async () => addTo(rows)(await driver.getTitle()));
    await save({ rows }, { key: 'all' });`,
  'a counter in a function that is called at once': `
    const next = (() => {
      let number = 0;
      return () => ++number; //! outer-variable outer-variable
    })();
    await step('a', ({ save }) => save({ number: next() }, { key: 'a' }));
    await step('b', ({ save }) => save({ number: next() }, { key: 'b' }));`,
  'a counter with a getter': `
    const counter = (() => {
      let number = 0;
      return { next: () => (number += 1), get value() { return number; } }; //! outer-variable
    })();
    for (const url of params.urls) await step(url, () => void counter.next());
    await save({ count: counter.value }, { key: 'all' });`,
  'a pair of functions': `
    const createState = (first: string): [() => string, (value: string) => void] => {
      let state = first;
      return [() => state, (value) => { state = value; }]; //! outer-variable
    };
    const [get, set] = createState('');
    await step('a', async () => set(await driver.getTitle()));
    await save({ title: get() }, { key: 'a' });`,
  'a property of a function': `
    function note(title: string) {
      note.all.push(title); //! outer-variable
    }
    note.all = [] as string[];
    await step('a', async () => note(await driver.getTitle()));
    await save({ all: note.all }, { key: 'all' });`,
  'a list in an object of options': `
    const readPage = async (options: { url: string; rows: string[] }) => {
      options.rows.push(await api.text(options.url)); //! outer-variable
    };
    const rows: string[] = [];
    for (const url of params.urls) await step(url, () => readPage({ url, rows }));
    await save({ rows }, { key: 'all' });`,
  'a default parameter': `
    const all: string[] = [];
    const readPage = async (url: string, out = all) => {
      out.push(await api.text(url)); //! outer-variable
    };
    for (const url of params.urls) await step(url, () => readPage(url));
    await save({ all }, { key: 'all' });`,
  'the parameters of the action': `
    for (const url of params.urls) {
      await step(url, async () => {
        params.urls.push(await driver.getTitle()); //! outer-variable
      });
    }`,
  'a part of the parameters': `
    const { urls } = params;
    for (const url of urls) await step(url, async () => void urls.push(await driver.getTitle())); //! outer-variable`,
  'a listener of an event': `
    const rows: string[] = [];
    const events = new EventTarget();
    events.addEventListener('row', (event) => {
      rows.push(event.type); //! outer-variable
    });
    await step('a', () => events.dispatchEvent(new Event('row')));
    await save({ rows }, { key: 'all' });`,
  'a function that a variable gets later': `
    const rows: string[] = [];
    let onRow: (row: string) => void = () => undefined;
    onRow = (row) => {
      rows.push(row); //! outer-variable
    };
    await step('a', async () => onRow(await driver.getTitle()));
    await save({ rows }, { key: 'all' });`,
  'a table of functions': `
    const rows: string[] = [];
    const handlers: Record<string, (row: string) => void> = {
      row: (row) => { rows.push(row); }, //! outer-variable
    };
    for (const kind of params.urls) await step(kind, async () => handlers[kind]?.(await driver.getTitle()));
    await save({ rows }, { key: 'all' });`,
  'a list of functions': `
    const rows: string[] = [];
    const sinks = [(row: string) => { rows.push(row); }]; //! outer-variable
    await step('a', async () => {
      for (const sink of sinks) sink(await driver.getTitle());
    });
    await save({ rows }, { key: 'all' });`,
  'a bound method of a list': `
    const rows: string[] = [];
    const add = rows.push.bind(rows);
    await step('a', async () => {
      add(await driver.getTitle()); //! outer-variable
    });
    await step('b', async () => {
      Array.prototype.push.apply(rows, [await driver.getTitle()]); //! outer-variable
    });
    await save({ rows }, { key: 'all' });`,
  'a global variable': `
    const shared = globalThis as { rows?: string[] };
    (globalThis as { rows?: string[] }).rows ??= [];
    await step('a', async () => {
      (globalThis as { rows?: string[] }).rows!.push(await driver.getTitle()); //! outer-variable
    });
    await save({ rows: (globalThis as { rows?: string[] }).rows, shared }, { key: 'all' });`,
  'elements of copies of a list': `
    const rows = params.urls.map((url) => ({ url, price: 0 }));
    const list = [{ price: 0 }];
    for (const url of params.urls) {
      await step(url, async () => {
        for (const row of rows.filter((one) => one.url === url)) row.price = 1; //! outer-variable
        for (const row of list.slice(1)) row.price = 2; //! outer-variable
      });
    }
    const others = [{ price: 0 }];
    const more = [{ price: 0 }];
    await step('a', () => {
      for (const [index, row] of [...others].entries()) row.price = index; //! outer-variable
      const sorted = more.toSorted();
      sorted[0]!.price = 3; //! outer-variable
    });
    await save({ rows, list, others, more }, { key: 'all' });`,
};
