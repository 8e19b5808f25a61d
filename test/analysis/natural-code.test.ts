import { expect } from 'chai';

import { checkSources, inRun } from './marked-source.ts';

/** Natural code of authors who know selenium. A step that is not awaited follows each of them, and gives the only warning. */
const NATURAL: Readonly<Record<string, string>> = {
  'objects and lists that a step makes': `
    const results = [];
    for (const url of params.urls) {
      const item = await step(url, async () => {
        const out = {};
        out.title = await driver.getTitle();
        out.tags = [];
        for (const el of await driver.findElements(By.css('a'))) out.tags.push(await el.getText());
        return out;
      });
      results.push(item);
    }
    results.sort((a, b) => a.title < b.title ? -1 : 1);
    await save({ results }, { key: 'x' });`,
  'copies of outer objects': `
    const options = { headers: {} };
    await step('a', async () => {
      const { headers } = options;
      const copy = { ...headers };
      copy.x = 1;
      const list = [...params.urls];
      list.sort();
      list.reverse();
      return list;
    });
    log.info(options.headers);
    await api.json('/x', options);`,
  'pages until there are no more': `
    let page = 1;
    let more = true;
    while (more) {
      const data = await step('page ' + page, async ({ save }) => {
        await driver.get('x?page=' + page);
        const rows = await driver.findElements(By.css('tr'));
        let n = 0;
        for (const row of rows) { n++; save({ page, n, text: await row.getText() }, { key: page + '-' + n }); }
        return { more: n > 0 };
      });
      more = data.more;
      page++;
    }`,
  'attempts in a helper': `
    const browser = driver;
    const self = { driver: browser, params };
    async function scrape(url) {
      let attempt = 0, last;
      while (attempt < 3) {
        try { attempt++; await self.driver.get(url); last = await self.driver.getTitle(); break; }
        catch (e) { if (attempt === 3) throw e; }
      }
      return last;
    }
    const titles = await batch('x', params.urls, async (url, { driver, save }) => { const t = await driver.getTitle(); save({ t }, { key: url }); return t; }, { key: (u) => u, concurrency: 1 });
    for (const url of params.urls) await step(url, () => scrape(url));`,
  'steps in Promise.all': `
    const all = await Promise.all([1, 2, 3].map(async (n) => {
      const value = await step('n' + n, async () => n * 2);
      return value;
    }));
    const map = new Map();
    for (const n of all) map.set(n, n);
    await step('use', async ({ save }) => { for (const [k, v] of map) save({ k, v }, { key: String(k) }); });`,
  'records that are built from the results of a batch': `
    const byUrl = {};
    const { results } = await batch('x', params.urls, async (url) => ({ url, text: await api.text(url) }), { key: (u) => u });
    for (const r of results) if (r.status === 'done') byUrl[r.key] = r.value;
    await step('report', async ({ save }) => { Object.entries(byUrl).forEach(([k, v]) => { v.seen = 1; save(v, { key: k }); }); });`,
  'a timer with try and finally': `
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 1000);
    try { await step('a', async ({ signal }) => { await driver.get('x'); signal.throwIfAborted(); }); }
    finally { clearTimeout(timer); }`,
  'polling within a step': `
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const until2 = async (test, ms = 1000) => { const end = Date.now() + ms; while (Date.now() < end) { if (await test()) return true; await wait(10); } return false; };
    await step('a', async () => { let done = false; await until2(async () => { done = (await driver.getTitle()) !== ''; return done; }); return done; });`,
  'details that are joined outside of steps': `
    const products = await step('list', () => api.json('/list'));
    const enriched = [];
    for (const p of products) {
      const detail = await step('detail ' + p.id, () => api.json('/d/' + p.id));
      p.detail = detail;
      enriched.push(p);
    }
    await batch('save', enriched, (p, { save }) => save(p, { key: p.id }), { key: (p) => p.id });`,
  'counts that are stored outside of steps': `
    const stats = { ok: 0, failed: 0 };
    for (const url of params.urls) {
      const ok = await step(url, async () => { try { await driver.get(url); return true; } catch { return false; } });
      if (ok) stats.ok++; else stats.failed++;
    }
    await save(stats, { key: 'stats' });`,
  windows: `
    const handle = await driver.getWindowHandle();
    const original = handle;
    await step('tab', async () => {
      await driver.switchTo().newWindow('tab');
      const handles = new Set(await driver.getAllWindowHandles());
      handles.delete(original);
      await driver.switchTo().window([...handles][0]);
      await driver.close();
      await driver.switchTo().window(original);
    });`,
  'query parameters that each step sets': `
    const q = new URLSearchParams();
    for (const n of [1,2]) await step('n' + n, async ({ save }) => { q.set('page', n); q.set('size', '10'); save(await api.json('/x?' + q), { key: String(n) }); });`,
  'headers for one step': `
    const headers = new Headers();
    await step('auth', async ({ save }) => {
      headers.set('authorization', await api.text('/token'));
      save(await api.json('/x', { headers }), { key: 'x' });
    });`,
  'events that one step counts': `
    const ac = {};
    const events = [];
    driver.on?.('x', (e) => events.push(e));
    await step('a', async ({ save }) => { const before = events.length; await driver.get('x'); save({ n: events.length - before }, { key: 'a' }); });`,
  'a value that is compared outside of steps': `
    let lastTitle;
    for (const url of params.urls) {
      const { title } = await step(url, async () => ({ title: await driver.getTitle() }));
      if (title === lastTitle) continue;
      lastTitle = title;
      await save({ title }, { key: url });
    }`,
  'a list that promises within a step fill': `
    const rows = await step('rows', async () => {
      const out = [];
      await Promise.all(['a', 'b'].map(async (x) => { out.push(await api.text(x)); }));
      return out;
    });
    rows.forEach((row, i) => { rows[i] = row.trim(); });
    await Promise.all(rows.map((row) => step(row, async ({ save }) => save({ row }, { key: row }))));`,
  'a crawl in levels': `
    const visited = new Set();
    const queue = ['/'];
    while (queue.length) {
      const level = queue.splice(0);
      const { results } = await batch('level ' + visited.size, level, async (path, { api }) => (await api.json(path)).links, { key: (p) => p });
      for (const r of results) { visited.add(r.key); if (r.status === 'done') for (const l of r.value) if (!visited.has(l)) queue.push(l); }
    }`,
  'a form that is filled': `
    const form = await step('form', async () => {
      const fields = {};
      const inputs = await driver.findElements(By.css('input'));
      await Promise.all(inputs.map(async (input) => { fields[await input.getAttribute('name')] = await input.getAttribute('value'); }));
      return fields;
    });
    form.user = 'me';
    await step('submit', async () => {
      for (const [name, value] of Object.entries(form)) { const el = await driver.findElement(By.name(name)); await el.clear(); await el.sendKeys(value); }
    });`,
  'attempts for each item': `
    const tries = new Map();
    await batch('x', params.urls, async (url, { save, skip }) => {
      const n = (tries.get(url) ?? 0) + 1;
      tries.set(url, n);
      if (n > 3) skip('too often');
      save({ url }, { key: url });
    }, { key: (u) => u, retries: 5 });`,
  'the date in a record': `
    const date = params.date ?? new Date().toISOString().slice(0, 10);
    await step('a', async ({ save }) => { save({ date, at: Date.now() }, { key: 'a' }); });`,
  'a log-in that every step waits for': `
    let login;
    const ensure = async () => { login ??= doLogin(); await login; };
    async function doLogin() { await driver.get('x'); }
    for (const url of params.urls) await step(url, async () => { await ensure(); return driver.getTitle(); });`,
  'a counter class within a step and outside of steps': `
    class Counter { n = 0; add() { this.n += 1; return this.n; } }
    await step('a', async ({ save }) => { const c = new Counter(); for (const u of params.urls) save({ u, n: c.add() }, { key: u }); });
    const c = new Counter();
    for (const u of params.urls) { const t = await step(u, () => driver.getTitle()); await save({ t, n: c.add() }, { key: u }); }`,
  'helpers that read texts': `
    const pick = async (css) => (await driver.findElement(By.css(css))).getText();
    const [title, price] = [await step('t', () => pick('h1')), await step('p', () => pick('.price'))];
    await save({ title, price }, { key: 'a' });`,
  'a row that each step makes': `
    for (const url of params.urls) {
      let row = {};
      await step(url, async ({ save }) => {
        row = { url };
        row.title = await driver.getTitle();
        save(row, { key: url });
      });
    }`,
  'a buffer that each step empties first': `
    const buffer = [];
    await step('a', async ({ save }) => {
      buffer.length = 0;
      for (const u of params.urls) buffer.push(u);
      save({ buffer }, { key: 'a' });
    });
    for (const u of params.urls) await step(u, async ({ save }) => { buffer.length = 0; buffer.push(u); save({ all: buffer.join() }, { key: u }); });`,
  'results that are sorted': `
    const results = { ok: [] };
    const { results: all } = await batch('x', params.urls, (u) => api.text(u), { key: (u) => u });
    results.ok = all.filter((r) => r.status === 'done').map((r) => r.value);
    await step('write', async ({ save }) => { const sorted = results.ok.sort(); save({ sorted }, { key: 'a' }); });`,
  'caches in objects': `
    const cache = {};
    const get = async (u) => cache[u] ??= await api.text(u);
    const get2 = async (u) => { if (cache[u]) return cache[u]; const t = await api.text(u); cache[u] = t; return t; };
    await batch('x', params.urls, async (u, { save }) => save({ t: await get(u), s: await get2(u) }, { key: u }), { key: (u) => u });`,
  'numbers that are only logged': `
    let started = 0;
    await batch('x', params.urls, async (u, { save }) => { const id = started++; log.debug('begin ' + id); save({ u }, { key: u }); }, { key: (u) => u });`,
  'addresses that are known from a step': `
    const seen = new Set(await step('known', () => api.json('/known')));
    const fresh = params.urls.filter((u) => !seen.has(u));
    await batch('x', fresh, async (u, { add, save }) => { for (const n of await api.json(u)) add(n); save({ u }, { key: u }); }, { key: (u) => u });`,
  'a variable that several steps set before they read it': `
    let current;
    await step('a', async ({ save }) => { current = await driver.getTitle(); save({ current }, { key: 'a' }); });
    await step('b', async ({ save }) => { current = await driver.getTitle(); if (current) save({ current }, { key: 'b' }); });`,
  'errors that are collected outside of steps': `
    let error = null;
    for (const url of params.urls) {
      try { await step(url, async () => driver.get(url)); } catch (e) { error = e; }
      finally { if (error) log.warn(String(error)); }
    }
    if (error) throw error;`,
  'a wrapper around the API': `
    const driver2 = driver;
    const api2 = { get: (u) => api.json(u), last: null };
    await step('a', async ({ save }) => { save(await api2.get('/x'), { key: 'x' }); });`,
  'a value of a step that a loop changes': `
    const state = await step('state', () => ({ page: 1 }));
    for (; state.page < 4; state.page++) await step('p' + state.page, () => driver.get('x' + state.page));`,
  'helpers with variables of their own': `
    const label = (n) => { let s = ''; for (let i = 0; i < n; i++) s += '*'; return s; };
    const parse = (text) => { const out = []; text.replace(/x/g, (m) => { out.push(m); return ''; }); return out; };
    await step('a', async ({ save }) => { save({ l: label(3), p: parse(await driver.getTitle()) }, { key: 'a' }); });
    log.info(label(4), parse('x'));`,
  'sums outside of steps': `
    const prices = [];
    for (const url of params.urls) prices.push(await step(url, async () => { const el = await driver.findElement(By.css('b')); return Number(await el.getText()); }));
    const total = prices.reduce((sum, p) => { sum += p; return sum; }, 0);
    await step('total', async ({ save }) => save({ total, max: Math.max(...prices) }, { key: 't' }));`,
  'a helper that fills in its argument': `
    const rowOf = async (el, row = {}) => { row.text = await el.getText(); row.tags ??= []; row.tags.push('x'); return row; };
    const rows = await step('a', async () => { const out = []; for (const el of await driver.findElements(By.css('tr'))) out.push(await rowOf(el)); return out; });
    const extra = await rowOf({ getText: () => 'x' }, rows[0]);
    await save({ rows, extra }, { key: 'a' });`,
  'several loops over one list': `
    const pool = params.urls.slice();
    const worker = async (n) => { for (let u = pool.pop(); u; u = pool.pop()) { const url = u; await step(url, () => api.text(url)); } };
    await Promise.all([worker(1), worker(2)]);`,
  'names that are used again': `
    const sum = await step('sum', async () => { let s = 0; for (const u of params.urls) { s += (await api.text(u)).length; } return s; });
    let s = sum; s += 1; await save({ s }, { key: 's' });`,
  'Object.assign outside of steps': `
    const meta = {};
    const info = await step('meta', async () => Object.assign({}, meta, await api.json('/meta')));
    Object.assign(meta, info);
    await save(meta, { key: 'meta' });`,
  'the tools of a batch as one object': `
    await batch('x', params.urls, async (url, tools) => {
      const { save, driver } = tools;
      await driver.get(url);
      const links = []; for (const a of await driver.findElements(By.css('a'))) links.push(await a.getAttribute('href'));
      links.filter((l) => l).forEach((l) => tools.add(l));
      save({ links }, { key: url });
    }, { key: (u) => u, sessions: 2 });`,
  'a step that is tried again': `
    let retries = 0;
    while (true) {
      try { await step('flaky', async () => { await driver.get('x'); }); break; } catch (e) { if (++retries > 3) throw e; }
    }`,
  'a function that finds an element again': `
    const find = async () => driver.findElement(By.css('x'));
    const el = await find();
    const text = await el.getText();
    await step(text, async ({ save }) => { const again = await find(); save({ t: await again.getText(), text }, { key: 'a' }); });
    await step('b', async () => { await (await find()).click(); });`,
  'a copy of an item without some of its properties': `
    const items = await step('items', () => api.json('/items'));
    await batch('x', items, async (item, { save }) => {
      const { id, ...rest } = item;
      rest.seen = true;
      delete rest.temporary;
      save({ id, ...rest }, { key: id });
    }, { key: (item) => item.id });
    await save({ count: items.length, first: items[0]?.id }, { key: 'sum' });`,
};
describe('natural code', () => {
  for (const [title, body] of Object.entries(NATURAL)) {
    it(`gives no warning: ${title}`, async () => {
      const { found, expected } = await checkSources({
        'a.mjs': inRun(`${body}\n    step('last', () => 1); //! missing-await`),
      });
      expect(found).to.deep.equal(expected);
    });
  }
});
