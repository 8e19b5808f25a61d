import { expect } from 'chai';
import { useFakeTimers } from 'sinon';
import {
  killProcess,
  leftovers,
  newLeftovers,
  openScriptedWebDriver,
  type ScriptedWebDriver,
  type WebDriverScript,
} from 'webdriver-supervisor/testing';
import { SessionEndedError, SessionStartError } from '../../src/driver/death.ts';
import { openBidiServer } from './support/bidi-server.ts';
import { openDevToolsServer } from './support/devtools-server.ts';
import { driverProgramFor, rejectionOf } from './support/programs.ts';
import { makeKeeper, makeWarnings, openSession } from './support/sessions.ts';

const REASON = new Error('no longer wanted');
const KILLED = 'invalid session id: session deleted as the browser has closed the connection';

const deletesAt = (server: ScriptedWebDriver): number =>
  server.requests.filter(({ method, path }) => method === 'DELETE' && /\/session\/[^/]+$/.test(path)).length;

/** A scripted endpoint, and sessions there. */
async function openEndpoint(script: WebDriverScript = {}) {
  const server = await openScriptedWebDriver(script);
  return {
    server,
    target: { kind: 'endpoint', url: server.url } as const,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

describe("BrowserSession at somebody's endpoint: its end", () => {
  it('is one DELETE by stop, however often it is stopped and killed', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    expect(e.server.sessionIds).to.deep.equal([s.session.id]);
    await Promise.all([s.session.stop(), s.session.stop()]);
    await s.session.killNow();
    await s.session.stop();
    expect(deletesAt(e.server)).to.equal(1);
    expect(e.server.sessionIds).to.deep.equal([]);
  });

  it('is one DELETE by kill, answered before either kill is over', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    s.halt.abort(REASON);
    using hold = e.server.hold('DELETE /');
    const kills = [s.session.killNow(), s.session.killNow()];
    await hold.caught;
    hold.release();
    await Promise.race(kills);
    expect(e.server.sessionIds).to.deep.equal([]);
    await Promise.all(kills);
    await s.session.stop();
    expect(deletesAt(e.server)).to.equal(1);
  });

  it('is given up after 5 s where the DELETE is never answered', async () => {
    await using e = await openEndpoint();
    const s = await openSession(e.target);
    e.server.answer('DELETE /', { fault: 'never' });
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const stopping = s.session.stop();
      await e.server.waitForRequest('DELETE /session/:id');
      await clock.tickAsync(5_000);
      await stopping;
    } finally {
      clock.restore();
    }
    expect(deletesAt(e.server)).to.equal(1);
  });

  it('ends commands in flight as ended, and not as a broken connection', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    e.server.answer('GET /title', { fault: 'never' });
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const title = rejectionOf(s.driver.getTitle());
      await e.server.waitForRequest('GET /title');
      const stopped = s.session.stop();
      // The DELETE waits behind the command.
      await clock.tickAsync(5_000);
      await stopped;
      expect(await title).to.be.instanceOf(SessionEndedError);
    } finally {
      clock.restore();
    }
    expect(s.deaths).to.deep.equal([]);
  });

  it('asks for no probe after it', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    await s.session.stop();
    const before = e.server.requests.length;
    await s.session.probe('heartbeat');
    expect(e.server.requests).to.have.length(before);
    expect(s.told).to.deep.equal(['quit']);
  });

  it('leaves no connection open', async () => {
    await using e = await openEndpoint();
    const s = await openSession(e.target);
    await s.session.stop();
    if (e.server.openConnections > 0) await e.server.waitForDisconnect();
    expect(e.server.openConnections).to.equal(0);
  });
});

describe("BrowserSession: somebody else's session", () => {
  it('is never DELETEd, by neither stop nor kill, and takes no commands after', async () => {
    await using e = await openEndpoint();
    await using owner = await openSession(e.target);
    const target = { ...e.target, kind: 'attached', sessionId: owner.session.id, capabilities: {} } as const;
    for (const end of ['stop', 'killNow'] as const) {
      await using s = await openSession(target);
      expect(await s.driver.getCurrentUrl()).to.equal('about:blank');
      await s.session[end]();
      expect(await rejectionOf(s.driver.getTitle())).to.be.instanceOf(SessionEndedError);
    }
    expect(deletesAt(e.server)).to.equal(0);
    expect(e.server.requests.filter(({ path }) => path === '/session')).to.have.length(1);
  });

  it('ends commands in flight as ended when it is let go, without a probe', async () => {
    await using e = await openEndpoint();
    await using owner = await openSession(e.target);
    const target = { ...e.target, kind: 'attached', sessionId: owner.session.id, capabilities: {} } as const;
    const s = await openSession(target);
    e.server.answer('GET /title', { fault: 'never' });
    const title = rejectionOf(s.driver.getTitle());
    await e.server.waitForRequest('GET /title');
    await s.session.stop();
    expect(await title).to.be.instanceOf(SessionEndedError);
    expect(s.told).to.deep.equal([]);
  });
});

describe('BrowserSession: a start that fails', () => {
  it('names an endpoint that nobody answers at', async () => {
    const { server, target } = await openEndpoint();
    await server.close();
    const error = await rejectionOf(openSession(target));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain(server.url).and.to.contain('ECONNREFUSED').and.to.contain('GRID_URL');
  });

  it('names an endpoint that is no WebDriver', async () => {
    await using e = await openEndpoint();
    e.server.answer('POST /session', { status: 404, body: '<html>Not Found</html>' });
    const error = await rejectionOf(openSession(e.target));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain(e.server.url).and.to.contain('Not Found');
  });

  it('names our own driver, which went away while it started the browser, and leaves nothing', async () => {
    await using e = await openEndpoint();
    await using program = await driverProgramFor(e.server.port);
    const before = leftovers();
    e.server.answer('POST /session', { fault: 'reset' });
    const error = await rejectionOf(openSession({ kind: 'own', driverPath: program.path, browserPath: '/opt/chrome' }));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain(program.path).and.to.contain('ECONNRESET');
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  for (const which of ['startSignal', 'halt'] as const) {
    it(`by the ${which} leaves no session at the endpoint, which may have been about to begin one`, async () => {
      await using e = await openEndpoint();
      using hold = e.server.hold('POST /session');
      const stop = new AbortController();
      const keeper = makeKeeper();
      const starting = rejectionOf(openSession(e.target, { keeper, startSignal: stop.signal }));
      await hold.caught;
      (which === 'halt' ? keeper.halt : stop).abort(REASON);
      hold.release();
      expect(await starting).to.equal(REASON);
      expect(e.server.sessionIds).to.deep.equal([]);
      expect(deletesAt(e.server)).to.equal(1);
    });
  }

  it('by its signal is not held up for long by an endpoint that never answers', async () => {
    await using e = await openEndpoint();
    e.server.answer('POST /session', { fault: 'never' });
    const stop = new AbortController();
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const starting = rejectionOf(openSession(e.target, { startSignal: stop.signal }));
      await e.server.waitForRequest('POST /session');
      stop.abort(REASON);
      await clock.tickAsync(10_000);
      expect(await starting).to.equal(REASON);
    } finally {
      clock.restore();
    }
  });

  it('by its signal once the session is there still leaves none', async () => {
    await using browser = await openDevToolsServer();
    browser.answer('Target.setDiscoverTargets', 'never');
    const capabilities = { 'goog:chromeOptions': { debuggerAddress: browser.address } };
    await using e = await openEndpoint({ capabilities });
    const stop = new AbortController();
    const starting = rejectionOf(openSession(e.target, { startSignal: stop.signal }));
    await browser.waitForCall('Target.setDiscoverTargets');
    stop.abort(REASON);
    expect(await starting).to.equal(REASON);
    expect(e.server.sessionIds).to.deep.equal([]);
  });

  it('by its signal before it began sends nothing', async () => {
    await using e = await openEndpoint();
    const starting = rejectionOf(openSession(e.target, { startSignal: AbortSignal.abort(REASON) }));
    expect(await starting).to.equal(REASON);
    expect(e.server.requests).to.have.length(0);
  });
});

describe('BrowserSession: a driver of our own', () => {
  it('that is killed is a death by the exit of the driver, and nothing else is asked', async () => {
    await using e = await openEndpoint();
    await using program = await driverProgramFor(e.server.port);
    await using s = await openSession({ kind: 'own', driverPath: program.path, browserPath: '/opt/chrome' });
    killProcess(s.session.driverProcess!.pid);
    const { cause, detectedBy, message } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'driver-gone', detectedBy: 'driver-exit' });
    expect(message).to.contain('SIGKILL');
    await s.session.killNow();
    expect(s.deaths).to.have.length(1);
  });

  it('is ended without a DELETE where it is killed, and its exit is no death then', async () => {
    await using e = await openEndpoint();
    await using program = await driverProgramFor(e.server.port);
    await using s = await openSession({ kind: 'own', driverPath: program.path, browserPath: '/opt/chrome' });
    await s.session.killNow();
    expect(s.deaths).to.deep.equal([]);
    expect(deletesAt(e.server)).to.equal(0);
  });
});

describe('BrowserSession: its DevTools connection', () => {
  const capabilitiesFor = (address: string) => ({ 'goog:chromeOptions': { debuggerAddress: address } });

  it('that closes with its browser is a death at once, found by asking the session at an endpoint', async () => {
    await using browser = await openDevToolsServer({ pages: { s1: 'window-1' } });
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    await using s = await openSession(e.target);
    e.server.endSession(s.session.id, KILLED);
    browser.drop();
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'browser-gone', detectedBy: 'devtools' });
  });

  it('that only broke is made again, and the session lives on', async () => {
    await using browser = await openDevToolsServer({ pages: { s1: 'window-1' } });
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    await using s = await openSession(e.target);
    const before = browser.calls.length;
    browser.drop();
    await e.server.waitForRequest('GET /window/handles');
    while (browser.calls.length === before) await new Promise((resolve) => setImmediate(resolve));
    expect(browser.calls.at(-1)!.method).to.equal('Target.setDiscoverTargets');
    expect(s.deaths).to.deep.equal([]);
  });

  it('that could not be made is warned of, and the session works without', async () => {
    const browser = await openDevToolsServer();
    await browser[Symbol.asyncDispose]();
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    const { log, warnings } = makeWarnings();
    await using s = await openSession(e.target, { log });
    expect(await s.driver.getCurrentUrl()).to.equal('about:blank');
    expect(warnings.join()).to.contain('Could not connect to DevTools');
  });

  it('that closes while the session is stopped is no death', async () => {
    await using browser = await openDevToolsServer();
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    await using s = await openSession(e.target);
    using hold = e.server.hold('DELETE /');
    const stopping = s.session.stop();
    await hold.caught;
    browser.drop();
    await new Promise((resolve) => setImmediate(resolve));
    hold.release();
    await stopping;
    expect(s.deaths).to.deep.equal([]);
  });

  it('is closed also where the session is let go while it is being made again', async () => {
    await using browser = await openDevToolsServer();
    await using e = await openEndpoint();
    await using owner = await openSession(e.target);
    const s = await openSession({
      ...e.target,
      kind: 'attached',
      sessionId: owner.session.id,
      capabilities: capabilitiesFor(browser.address),
    });
    browser.answer('Target.setDiscoverTargets', 'never');
    const before = browser.calls.length;
    browser.drop();
    while (browser.calls.length === before) await new Promise((resolve) => setImmediate(resolve));
    await s.session.stop();
    browser.emit({ id: browser.calls.at(-1)!.id, result: {} });
    const gone = performance.now() + 2_000;
    while (browser.connections > 0 && performance.now() < gone) await new Promise((resolve) => setImmediate(resolve));
    expect(browser.connections).to.equal(0);
  });

  it("tells the crash of the current window's tab, and not that of another", async () => {
    await using browser = await openDevToolsServer({ pages: { s1: 'window-1', s2: 'window-2' } });
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    await using s = await openSession(e.target);
    await s.driver.switchTo().newWindow('tab');
    await s.driver.switchTo().window('window-1');
    browser.emit({ method: 'Target.targetCrashed', params: { targetId: 'window-2' } });
    browser.emit({ method: 'Target.targetCrashed', params: { targetId: 'window-1' } });
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'tab-crashed', detectedBy: 'devtools' });
    expect(s.deaths).to.have.length(1);
  });
});

describe('BrowserSession: a tab that crashes while it is not known which window is the current one', () => {
  for (const [what, pages, deaths] of [
    ['is the death of the session where it is the only one', { s1: 'window-1' }, 1],
    ['is told by the command that meets it where there are several', { s1: 'window-1', s2: 'window-2' }, 0],
  ] as const) {
    it(what, async () => {
      await using browser = await openDevToolsServer({ pages });
      await using e = await openEndpoint();
      await using owner = await openSession(e.target);
      const capabilities = { 'goog:chromeOptions': { debuggerAddress: browser.address } };
      await using s = await openSession({ ...e.target, kind: 'attached', sessionId: owner.session.id, capabilities });
      // After closing its window a session has none until it switches to another.
      await s.driver.switchTo().newWindow('tab');
      const [, opened = ''] = await s.driver.getAllWindowHandles();
      await s.driver.switchTo().window(opened);
      await s.driver.close();
      browser.emit({ method: 'Target.targetCrashed', params: { targetId: 'window-1' } });
      // Its answer comes behind the event.
      await s.session.probe('heartbeat');
      expect(s.deaths).to.have.length(deaths);
    });
  }
});

describe('BrowserSession: its BiDi socket, where there is no DevTools', () => {
  it('that closes with the session is a death', async () => {
    await using bidi = await openBidiServer();
    await using e = await openEndpoint({ capabilities: { webSocketUrl: bidi.url } });
    await using s = await openSession(e.target, { browser: { browserName: 'firefox' } });
    e.server.endSession(s.session.id);
    bidi.drop();
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'session-removed', detectedBy: 'bidi' });
  });

  it('that closes while the session answers is no death: proxies close idle sockets', async () => {
    await using bidi = await openBidiServer();
    await using e = await openEndpoint({ capabilities: { webSocketUrl: bidi.url } });
    await using s = await openSession(e.target, { browser: { browserName: 'firefox' } });
    bidi.drop();
    await e.server.waitForRequest('GET /window/handles');
    await s.driver.getTitle();
    expect(s.deaths).to.deep.equal([]);
  });

  it('that can not be reached from here, as behind a Grid, is warned of, and the session works without', async () => {
    await using e = await openEndpoint({ capabilities: { webSocketUrl: 'ws://127.0.0.1:9/session/1' } });
    const { log, warnings } = makeWarnings();
    await using s = await openSession(e.target, { browser: { browserName: 'firefox' }, log });
    expect(await s.driver.getCurrentUrl()).to.equal('about:blank');
    expect(warnings.join()).to.contain('BiDi');
  });
});
