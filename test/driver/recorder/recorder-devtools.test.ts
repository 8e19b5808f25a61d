import { expect } from 'chai';
import { SessionSupervisor } from 'webdriver-supervisor';
import { openScriptedWebDriver } from 'webdriver-supervisor/testing';

import { Recorder } from '../../../src/driver/recorder/recorder.ts';
import type { ObservedOptions } from '../../../src/supervisor/supervisor.ts';
import { eventually } from '../../support/eventually.ts';
import { openDevToolsServer, type DevToolsServer } from '../support/devtools-server.ts';

/** The calls of a session without a recorder, and those of the recorder. Pages can notice others, such as `Runtime.enable`. */
const ALLOWED_CALLS = [
  'Target.setDiscoverTargets',
  'Target.attachToTarget',
  'Page.enable',
  'DOMStorage.enable',
  'DOMStorage.getDOMStorageItems',
  'Browser.getVersion',
  'Log.enable',
  'Console.enable',
  'Page.createIsolatedWorld',
  'Runtime.evaluate',
  'Page.startScreencast',
  'Page.stopScreencast',
];

describe('A recorder on a DevTools connection', () => {
  let browser: DevToolsServer;
  let stack: AsyncDisposableStack;
  let recorder: Recorder;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    browser = stack.use(await openDevToolsServer({ pages: { s1: 'window-1' } }));
    browser.answer('Page.createIsolatedWorld', { result: { executionContextId: 7 } });
    browser.answer('Runtime.evaluate', { result: { result: { value: { text: 'the text of the page', tookMs: 1 } } } });
  });

  afterEach(() => stack.disposeAsync());

  async function start(): Promise<void> {
    const capabilities = { 'goog:chromeOptions': { debuggerAddress: browser.address } };
    const server = stack.use(await openScriptedWebDriver({ capabilities }));
    recorder = new Recorder({ onSession: () => 1, tickMs: 10 });
    const options: ObservedOptions = { gridUrl: server.url, recorder };
    stack.use(await SessionSupervisor.start(options));
  }

  const say = (text: string) =>
    browser.emit({
      method: 'Console.messageAdded',
      params: { message: { source: 'console-api', level: 'log', text } },
      sessionId: 's1',
    });
  const texts = () => recorder.take()!.console.map(({ text }) => text);

  it('makes only calls that pages can’t notice', async () => {
    await start();
    await browser.waitForCall('Page.startScreencast');
    browser.emit({ method: 'Page.screencastFrame', params: { data: 'picture', sessionId: 1 }, sessionId: 's1' });
    await eventually(async () => recorder.take()!.pictures.length === 1, 'a picture');
    for (const { method, params } of browser.calls) {
      expect(ALLOWED_CALLS).to.include(method);
      // The page's own world is not used.
      if (method === 'Runtime.evaluate') expect(params).to.include({ contextId: 7 });
    }
  });

  it('records on after the connection broke, and no message twice', async () => {
    await start();
    await browser.waitForCall('Console.enable');
    say('before');
    await eventually(async () => texts().includes('before'), 'the first message');
    const enables = () => browser.calls.filter(({ method }) => method === 'Console.enable').length;
    browser.answer('Console.enable', 'never');
    browser.drop();
    await eventually(async () => enables() === 2, 'the next connection');
    // Chromium repeats the messages of the page before it answers.
    say('before');
    const { id } = browser.calls.findLast(({ method }) => method === 'Console.enable')!;
    browser.emit({ id, result: {} });
    await eventually(async () => (say('after'), texts().includes('after')), 'a message after the answer');
    expect(texts().slice(0, 2)).to.deep.equal(['before', 'after']);
  });
});
