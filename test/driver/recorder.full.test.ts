import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';
import { SessionSupervisor } from 'webdriver-supervisor';

import { secrets } from '../../src/core/secrets.ts';
import { Recorder } from '../../src/driver/recorder/recorder.ts';
import type { ObservedOptions } from '../../src/supervisor/supervisor.ts';
import { eventually } from '../support/eventually.ts';
import { startSettled } from '../support/start-settled.ts';

const TICK_MS = 100;
/** Objects that note when code reads them, as pages do that look for DevTools. */
const TRAPS = `
  const hits = (window.hits = []);
  const trap = (name) => ({ get [name]() { hits.push(name); return 1; } });
  const error = new Error('trap');
  Object.defineProperty(error, 'stack', { get() { hits.push('stack'); return ''; } });
  Object.defineProperty(error, 'message', { get() { hits.push('message'); return ''; } });
  const node = document.createElement('div');
  Object.defineProperty(node, 'id', { get() { hits.push('id'); return ''; } });
  const proxy = new Proxy({}, { ownKeys() { hits.push('ownKeys'); return []; }, get() { hits.push('proxy'); } });
  const pattern = /trap/;
  pattern.toString = () => { hits.push('toString'); return ''; };
  for (const method of ['debug', 'log', 'dir', 'table', 'error', 'trace', 'group', 'groupEnd'])
    for (const value of [error, node, proxy, Object.create(proxy), pattern, trap('getter'), [trap('entry')]]) console[method](value);
`;
/** A script that returns the facts that a page can read about its window, its document and its surroundings. */
const LOOK = `return JSON.stringify({
  hits: window.hits, events: window.events, webdriver: navigator.webdriver, globals: Object.getOwnPropertyNames(window).sort(),
  html: document.documentElement.outerHTML, size: [innerWidth, innerHeight, devicePixelRatio, outerWidth],
  visible: document.visibilityState, focus: document.hasFocus(), frames: window.length, sheets: document.styleSheets.length,
})`;
const OBSERVED = `<!doctype html><title>observed</title><h1>Observed</h1><script>
  window.events = [];
  for (const name of ['resize', 'scroll', 'focus', 'blur', 'visibilitychange', 'pagehide', 'error'])
    window.addEventListener(name, () => events.push(name), true);
  visualViewport.addEventListener('resize', () => events.push('viewport'));
  new MutationObserver(() => events.push('mutation')).observe(document, { subtree: true, childList: true, attributes: true });
  ${TRAPS}
</script>`;
const LOGIN = `<!doctype html><title>login</title><h1>Log in</h1><div id="place"></div><input type="password"><input type="text" name="city">`;

describe('A recorder, on a real browser', () => {
  let site: Server;
  let url: string;
  let recorder: Recorder;
  let supervisor: SessionSupervisor;

  before(async () => {
    site = createServer((request, response) => {
      response.setHeader('content-type', 'text/html').end(request.url === '/login' ? LOGIN : OBSERVED);
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  });

  after(async () => {
    site.closeAllConnections();
    await once(site.close(), 'close');
  });

  beforeEach(async () => {
    recorder = new Recorder({ onSession: () => 1, tickMs: TICK_MS });
    const options: ObservedOptions = { recorder };
    supervisor = await startSettled(options);
  });

  afterEach(() => supervisor.stop());

  const run = <Value>(script: string) => supervisor.driver.executeScript<Value>(script);
  const pictures = () => recorder.take()!.pictures;
  /** Resolves when the recorder has had the time to take several pictures. */
  const looked = async () => {
    const until = Date.now() + 6 * TICK_MS;
    await eventually(async () => recorder.take()!.samples.some(({ atMs }) => atMs > until), 'further samples');
  };
  /** Resolves when a picture was taken from now on. */
  const pictured = async () => {
    const from = Date.now();
    await eventually(async () => pictures().some(({ atMs }) => atMs > from), 'a picture');
  };

  it('can’t be noticed by the page, which sees the same as with bare selenium', async () => {
    const bare = await SessionSupervisor.start();
    try {
      for (const { driver } of [bare, supervisor]) {
        await driver.get(url);
        // A new window gets the focus some time after its first page.
        await driver.wait(() => driver.executeScript('return document.hasFocus()'));
        await driver.get(url);
      }
      await pictured();
      await looked();
      const seen = [await run<string>(LOOK), await bare.driver.executeScript<string>(LOOK)];
      const [recorded, alone] = seen.map((text) => JSON.parse(text) as Record<string, unknown>);
      for (const [name, value] of Object.entries(alone!)) expect(recorded![name], name).to.deep.equal(value);
      expect(recorder.take()!.console.length).to.be.above(5);
    } finally {
      await bare.stop();
    }
  });

  it('takes no picture while a password or another secret is readable', async () => {
    await supervisor.driver.get(`${url}/login`);
    await pictured();
    const secret = 'visible-secret-1';
    secrets.add([secret]);
    const field = `document.querySelector('input')`;
    const place = `document.querySelector('#place')`;
    const city = `document.querySelector('[name=city]')`;
    const cases: Readonly<Record<string, readonly [show: string, hide: string]>> = {
      'a password': [
        `${field}.value = 'hunter2'; ${field}.dispatchEvent(new Event('input', { bubbles: true }))`,
        `${field}.value = ''`,
      ],
      'a shown password': [`${field}.type = 'text'; ${field}.value = 'hunter2'`, `${field}.value = ''`],
      'a copy of a password': [`${city}.value = 'hunter2'`, `${city}.value = ''`],
      'a field for passwords': [
        `${place}.innerHTML = '<input autocomplete="new-password" value="x">'`,
        `${place}.innerHTML = ''`,
      ],
      'a secret in the text': [`${place}.innerHTML = 'visible-<b>secret</b>-1'`, `${place}.innerHTML = ''`],
      'a secret in a frame': [`${place}.innerHTML = '<iframe srcdoc="${secret}"></iframe>'`, `${place}.innerHTML = ''`],
      'a frame of another origin': [
        `${place}.innerHTML = '<iframe src="data:text/html,x"></iframe>'`,
        `${place}.innerHTML = ''`,
      ],
      'a secret in a shadow tree': [
        `${place}.innerHTML = '<p></p>'; ${place}.firstChild.attachShadow({ mode: 'open' }).textContent = '${secret}'`,
        `${place}.innerHTML = ''`,
      ],
    };
    for (const [name, [show, hide]] of Object.entries(cases)) {
      await run(show);
      const shownAt = Date.now();
      await looked();
      expect(
        pictures().filter(({ atMs }) => atMs > shownAt),
        name,
      ).to.deep.equal([]);
      await run(`${hide}; document.body.append('.')`);
      await pictured();
    }
  });

  it('doesn’t disturb alerts, long loops and other windows, and goes on afterwards', async () => {
    const { driver } = supervisor;
    await driver.get(url);
    await run(`setTimeout(() => alert('boo'))`);
    await looked();
    await driver.switchTo().alert().accept();
    await run(`document.querySelector('h1').textContent = 'after the alert'`);
    await pictured();
    await run(`setTimeout(() => { for (const end = Date.now() + 3_000; Date.now() < end; ); })`);
    await looked();
    await run(`document.querySelector('h1').textContent = 'after the loop'`);
    await pictured();
    const first = await driver.getWindowHandle();
    await driver.switchTo().newWindow('tab');
    await driver.get(url);
    await run(`console.log('from the new window'); document.querySelector('h1').textContent = 'new window'`);
    await pictured();
    expect(recorder.take()!.console.at(-1)).to.include({ text: 'from the new window' });
    await driver.close();
    await driver.switchTo().window(first);
    await driver.get(url);
    await pictured();
  });

  it('limits the messages of a page that floods its console', async () => {
    await supervisor.driver.get(url);
    await run(`for (let i = 0; i < 20_000; i += 1) console.log('flood ' + i + ' ' + 'x'.repeat(3_000))`);
    const { console: messages } = recorder.take()!;
    expect(messages.length).to.be.within(1, 200);
    for (const { text } of messages) expect(text.length).to.be.at.most(2_000);
    await eventually(async () => {
      await run(`console.log('after the flood')`);
      return recorder.take()!.console.some(({ text }) => text === 'after the flood');
    }, 'a message after the flood');
  });

  it('stops with its session', async () => {
    await supervisor.stop();
    const { samples } = recorder.take()!;
    expect(recorder.signal?.aborted).to.equal(true);
    expect(recorder.take()!.samples).to.deep.equal(samples);
  });
});
