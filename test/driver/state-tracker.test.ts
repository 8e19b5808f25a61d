import { expect } from 'chai';

import { DevTools } from '../../src/driver/devtools.ts';
import { StateTracker } from '../../src/driver/state/state-tracker.ts';
import { openDevToolsServer, type DevToolsServer } from './support/devtools-server.ts';

const PAGE = 'page';
const SITE = 'https://shop.example';
const { signal: NEVER } = new AbortController();

describe('The storage of a page that a command leaves', () => {
  let server: DevToolsServer;
  let devtools: DevTools;
  let tracker: StateTracker;

  beforeEach(async () => {
    server = await openDevToolsServer({ pages: { session: PAGE } });
    tracker = new StateTracker(() => devtools);
    devtools = await DevTools.connect({
      url: server.url,
      signal: NEVER,
      onClosed: () => undefined,
      onTabCrashed: () => undefined,
      onPageEvent: (handle, event) => tracker.onPageEvent(handle, event),
    });
    // Read when the page opens, before its code has stored something.
    server.answer('DOMStorage.getDOMStorageItems', { result: { entries: [] } });
    tracker.onPageEvent(PAGE, { method: 'Page.frameNavigated', params: { frame: { id: PAGE, url: `${SITE}/login` } } });
    await server.waitForCall('DOMStorage.getDOMStorageItems');
    await tracker.refresh(PAGE);
    // The browser sends no event of this change, because the page is left before the storage service has confirmed it.
    server.answer('DOMStorage.getDOMStorageItems', { result: { entries: [['token', 't']] } });
  });

  afterEach(async () => {
    devtools.close();
    await server[Symbol.asyncDispose]();
  });

  const stored = () => [...(tracker.originsOf(PAGE).get(SITE)?.local ?? [])];

  for (const [label, data] of [
    ['POST /url', { url: 'https://other.example/' }],
    ['POST /url', { url: 'about:blank' }],
    ['POST /back', {}],
    ['POST /forward', {}],
    ['DELETE /window', undefined],
  ] as const) {
    it(`is read before ${label} ${JSON.stringify(data) ?? ''}`, async () => {
      await tracker.onCommand(PAGE, label, data);
      expect(stored()).to.deep.equal([['token', 't']]);
    });
  }

  for (const [label, data] of [
    ['POST /url', { url: `${SITE}/account` }],
    ['POST /refresh', {}],
    ['GET /title', undefined],
    ['POST /execute/sync', { script: 'return 1' }],
  ] as const) {
    it(`is not asked for by ${label} ${JSON.stringify(data) ?? ''}, which stays on the origin`, () => {
      expect(tracker.onCommand(PAGE, label, data)).to.equal(undefined);
    });
  }

  it('is given up after a short time if the page does not answer', async () => {
    server.answer('DOMStorage.getDOMStorageItems', 'never');
    await tracker.onCommand(PAGE, 'POST /back', {});
    expect(stored()).to.deep.equal([]);
  });
});
