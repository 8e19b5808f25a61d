import { expect } from 'chai';
import { getEventListeners, once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { useFakeTimers } from 'sinon';
import { DeadlineError, toError } from '../../src/core/errors.ts';
import { DevTools, findDevToolsUrl, isDevToolsReachable } from '../../src/driver/devtools.ts';
import { useClockInEachTest } from '../support/fake-clock.ts';
import { openDevToolsServer, type DevToolsServer } from './support/devtools-server.ts';

const REASON = new Error('halted');
const { signal: NEVER } = new AbortController();

/** Opens a connection to the server and records its reports. */
async function connect(server: DevToolsServer, signal = NEVER) {
  const reports: string[] = [];
  const closed = Promise.withResolvers<void>();
  const devtools = await DevTools.connect({
    url: server.url,
    signal,
    onClosed: (description) => {
      reports.push(description);
      closed.resolve();
    },
    onTabCrashed: (handle) => reports.push(`crashed ${handle}`),
  });
  return { devtools, reports, closed: closed.promise, [Symbol.dispose]: () => devtools.close() };
}

function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it resolved'),
    (thrown: unknown) => toError(thrown),
  );
}

/** Opens a server that accepts connections and never answers a handshake. */
async function openSilentServer() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/`,
    connected: once(server, 'connection'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('DevTools: connecting', () => {
  it('discovers all pages without automatic attachment, which stops windows that have an opener', async () => {
    await using server = await openDevToolsServer();
    using _ = await connect(server);
    expect(server.calls[0]).to.deep.include({
      method: 'Target.setDiscoverTargets',
      params: { discover: true, filter: [{ type: 'page' }] },
    });
  });

  it('rejects if no server listens', async () => {
    const server = await openDevToolsServer();
    await server[Symbol.asyncDispose]();
    expect((await rejectionOf(connect(server))).message).to.contain('ECONNREFUSED');
  });

  it('rejects with the reason of the signal while it waits, and leaves no listener', async () => {
    await using server = await openSilentServer();
    const halt = new AbortController();
    const connecting = rejectionOf(connect(server as unknown as DevToolsServer, halt.signal));
    await server.connected;
    halt.abort(REASON);
    expect(await connecting).to.equal(REASON);
    expect(getEventListeners(halt.signal, 'abort')).to.have.length(0);
  });

  it('rejects after 10 s if the browser accepts the connection and sends nothing', async () => {
    await using server = await openSilentServer();
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const connecting = rejectionOf(connect(server as unknown as DevToolsServer));
      await server.connected;
      await clock.tickAsync(10_000);
      expect(await connecting).to.be.instanceOf(DeadlineError);
      expect(clock.countTimers()).to.equal(0);
    } finally {
      clock.restore();
    }
  });

  it('rejects if the socket closes before it is ready, without another report', async () => {
    await using server = await openDevToolsServer();
    server.answer('Target.setDiscoverTargets', 'close');
    const reports: string[] = [];
    const report = (text: string) => void reports.push(text);
    const connecting = DevTools.connect({ url: server.url, signal: NEVER, onClosed: report, onTabCrashed: report });
    expect((await rejectionOf(connecting)).message).to.contain('closed');
    expect(reports).to.deep.equal([]);
  });
});

describe('DevTools: calls', () => {
  it('resolve with their own result, regardless of the order of the answers', async () => {
    await using server = await openDevToolsServer();
    using c = await connect(server);
    server.answer('Slow.call', 'never');
    server.answer('Browser.getVersion', { result: { userAgent: 'A' } });
    const slow = c.devtools.call('Slow.call');
    const { id } = await server.waitForCall('Slow.call');
    expect(await c.devtools.call('Browser.getVersion')).to.deep.equal({ userAgent: 'A' });
    server.emit({ id, result: 'late' });
    expect(await slow).to.equal('late');
  });

  it("reject with the browser's error message", async () => {
    await using server = await openDevToolsServer();
    using c = await connect(server);
    server.answer('Target.getTargetInfo', { error: 'No target with given id found' });
    expect((await rejectionOf(c.devtools.pageUrl('gone'))).message).to.equal('No target with given id found');
  });

  it('reject at their limit', async () => {
    await using server = await openDevToolsServer();
    using c = await connect(server);
    server.answer('Browser.getVersion', 'never');
    const call = c.devtools.call('Browser.getVersion', {}, { limitMs: 5 });
    expect(await rejectionOf(call)).to.be.instanceOf(DeadlineError);
  });

  it('reject while pending if the socket closes, which is reported once with its code', async () => {
    await using server = await openDevToolsServer();
    using c = await connect(server);
    server.answer('Browser.getVersion', 'never');
    const calls = [1, 2].map(() => rejectionOf(c.devtools.call('Browser.getVersion')));
    await server.waitForCall('Browser.getVersion');
    server.drop();
    for (const error of await Promise.all(calls)) expect(error.message).to.contain('closed (code 1006)');
    expect(c.reports).to.deep.equal(['the DevTools socket closed (code 1006)']);
    expect((await rejectionOf(c.devtools.call('Browser.getVersion'))).message).to.contain('closed');
  });

  it('reject while pending if the caller closes the connection, which is not reported', async () => {
    await using server = await openDevToolsServer();
    using c = await connect(server);
    server.answer('Browser.getVersion', 'never');
    const call = rejectionOf(c.devtools.call('Browser.getVersion'));
    await server.waitForCall('Browser.getVersion');
    c.devtools.close();
    expect((await call).message).to.contain('closed');
    expect(c.reports).to.deep.equal([]);
  });

  it('leave no timer behind', async () => {
    await using server = await openDevToolsServer();
    using c = await connect(server);
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      await c.devtools.call('Browser.getVersion');
      server.drop();
      await c.closed;
      expect(clock.countTimers()).to.equal(0);
    } finally {
      clock.restore();
    }
  });
});

describe('DevTools: pages', () => {
  it('reports a crashed tab by its window handle, and nothing about closed tabs', async () => {
    await using server = await openDevToolsServer({ pages: { s1: 'tab-1', s2: 'tab-2' } });
    using c = await connect(server);
    server.emit({ method: 'Target.targetCrashed', params: { targetId: 'tab-2' } });
    server.emit({ method: 'Target.targetDestroyed', params: { targetId: 'tab-1' } });
    server.emit({ method: 'Target.targetCrashed', params: { targetId: 'tab-1' } });
    server.emit({ method: 'Target.targetCrashed', params: { targetId: 'never seen' } });
    await c.devtools.call('Browser.getVersion');
    expect(c.reports).to.deep.equal(['crashed tab-2']);
  });

  it('returns the only page, and null if there are several', async () => {
    await using server = await openDevToolsServer({ pages: { s1: 'tab-1' } });
    using c = await connect(server);
    expect(c.devtools.onlyPage).to.equal('tab-1');
    server.openPage('s2', 'tab-2');
    await c.devtools.call('Browser.getVersion');
    expect(c.devtools.onlyPage).to.equal(null);
    server.emit({ method: 'Target.targetDestroyed', params: { targetId: 'tab-1' } });
    await c.devtools.call('Browser.getVersion');
    expect(c.devtools.onlyPage).to.equal('tab-2');
  });

  for (const [handle, freed] of [
    ['tab-2', ['s2']],
    [null, ['s1', 's2']],
    ['unknown', ['s1', 's2']],
  ] as const) {
    it(`frees ${freed.join(' and ')} if the current window is ${handle}, and ignores refusals`, async () => {
      await using server = await openDevToolsServer({ pages: { s1: 'tab-1', s2: 'tab-2' } });
      using c = await connect(server);
      server.answer('Page.stopLoading', { error: 'not allowed' });
      c.devtools.freePage(handle);
      await c.devtools.call('Browser.getVersion');
      const ofPages = server.calls.filter(({ sessionId }) => sessionId !== undefined);
      const calls = ofPages.map(({ method, sessionId }) => `${sessionId} ${method}`);
      const expected = freed.flatMap((id) => [`${id} Runtime.terminateExecution`, `${id} Page.stopLoading`]);
      expect(calls).to.deep.equal(expected);
    });
  }
});

describe('findDevToolsUrl', () => {
  it('asks the address in the capabilities and replaces localhost by 127.0.0.1', async () => {
    await using server = await openDevToolsServer();
    expect(await findDevToolsUrl(server.address, NEVER)).to.equal(server.url);
  });

  it('rejects with the reason of the signal', async () => {
    await using server = await openDevToolsServer();
    expect(await rejectionOf(findDevToolsUrl(server.address, AbortSignal.abort(REASON)))).to.equal(REASON);
  });
});

describe('isDevToolsReachable', () => {
  const clock = useClockInEachTest();

  it('returns true if a connection is accepted, and false if no server listens', async () => {
    const server = await openDevToolsServer();
    expect(await isDevToolsReachable(server.url, 1_000)).to.equal(true);
    await server[Symbol.asyncDispose]();
    expect(await isDevToolsReachable(server.url, 1_000)).to.equal(false);
  });

  it('returns false if there is no answer within the limit', async () => {
    await using server = await openSilentServer();
    const reachable = isDevToolsReachable(server.url, 1_000);
    await server.connected;
    await clock().tickAsync(1_000);
    expect(await reachable).to.equal(false);
  });
});
