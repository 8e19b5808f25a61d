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
import { makeRecorder, makeWarnings, openSession } from './support/sessions.ts';

const REASON = new Error('no longer wanted');
const KILLED = 'invalid session id: session deleted as the browser has closed the connection';

const deletesAt = (server: ScriptedWebDriver): number =>
  server.requests.filter(({ method, path }) => method === 'DELETE' && /\/session\/[^/]+$/.test(path)).length;

/** Opens a scripted endpoint with a target for sessions. */
async function openEndpoint(script: WebDriverScript = {}) {
  const server = await openScriptedWebDriver(script);
  return {
    server,
    target: { kind: 'endpoint', url: server.url } as const,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

describe("BrowserSession at another program's endpoint: its end", () => {
  it('sends one DELETE on a stop, regardless of further stops and kills', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    expect(e.server.sessionIds).to.deep.equal([s.session.id]);
    await Promise.all([s.session.stop(), s.session.stop()]);
    await s.session.killNow();
    await s.session.stop();
    expect(deletesAt(e.server)).to.equal(1);
    expect(e.server.sessionIds).to.deep.equal([]);
  });

  it('sends one DELETE on a kill, and each kill resolves after its answer', async () => {
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

  it('sends a second DELETE if the first one is not answered within 5 s', async () => {
    await using e = await openEndpoint();
    const s = await openSession(e.target);
    e.server.answer('DELETE /', { fault: 'never' }, { times: 1 });
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const stopping = s.session.stop();
      await e.server.waitForRequest('DELETE /session/:id');
      await clock.tickAsync(6_000);
      await stopping;
    } finally {
      clock.restore();
    }
    expect(deletesAt(e.server)).to.equal(2);
    expect(e.server.sessionIds).to.deep.equal([]);
  });

  it('rejects commands in flight with SessionEndedError, not with a connection error', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    e.server.answer('GET /title', { fault: 'never' });
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const title = rejectionOf(s.driver.getTitle());
      await e.server.waitForRequest('GET /title');
      const stopped = s.session.stop();
      // The quit waits behind the command, and the second DELETE does not.
      await clock.tickAsync(6_000);
      await stopped;
      expect(await title).to.be.instanceOf(SessionEndedError);
    } finally {
      clock.restore();
    }
    expect(s.deaths).to.deep.equal([]);
  });

  it('is followed by no probe', async () => {
    await using e = await openEndpoint();
    await using s = await openSession(e.target);
    await s.session.stop();
    const before = e.server.requests.length;
    await s.session.probe('heartbeat');
    expect(e.server.requests).to.have.length(before);
    expect(s.reports).to.deep.equal(['quit']);
  });

  it('leaves no connection open', async () => {
    await using e = await openEndpoint();
    const s = await openSession(e.target);
    await s.session.stop();
    if (e.server.openConnections > 0) await e.server.waitForDisconnect();
    expect(e.server.openConnections).to.equal(0);
  });
});

describe('BrowserSession: a session of another program', () => {
  it('gets no DELETE on a stop or a kill, and accepts no commands afterwards', async () => {
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

  it('rejects commands in flight with SessionEndedError when it is released, without a probe', async () => {
    await using e = await openEndpoint();
    await using owner = await openSession(e.target);
    const target = { ...e.target, kind: 'attached', sessionId: owner.session.id, capabilities: {} } as const;
    const s = await openSession(target);
    e.server.answer('GET /title', { fault: 'never' });
    const title = rejectionOf(s.driver.getTitle());
    await e.server.waitForRequest('GET /title');
    await s.session.stop();
    expect(await title).to.be.instanceOf(SessionEndedError);
    expect(s.reports).to.deep.equal([]);
  });
});

describe('BrowserSession: a start that fails', () => {
  it('names an endpoint that does not answer', async () => {
    const { server, target } = await openEndpoint();
    await server.close();
    const error = await rejectionOf(openSession(target));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain(server.url).and.to.contain('ECONNREFUSED').and.to.contain('GRID_URL');
  });

  it('names an endpoint that is not a WebDriver server', async () => {
    await using e = await openEndpoint();
    e.server.answer('POST /session', { status: 404, body: '<html>Not Found</html>' });
    const error = await rejectionOf(openSession(e.target));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain(e.server.url).and.to.contain('Not Found');
  });

  it('names its own driver if it ended while it started the browser, and leaves nothing', async () => {
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
    it(`leaves no session at the endpoint if the ${which} aborts it, even if the endpoint was about to start one`, async () => {
      await using e = await openEndpoint();
      using hold = e.server.hold('POST /session');
      const stop = new AbortController();
      const recorder = makeRecorder();
      const starting = rejectionOf(openSession(e.target, { recorder, startSignal: stop.signal }));
      await hold.caught;
      (which === 'halt' ? recorder.halt : stop).abort(REASON);
      hold.release();
      expect(await starting).to.equal(REASON);
      expect(e.server.sessionIds).to.deep.equal([]);
      expect(deletesAt(e.server)).to.equal(1);
    });
  }

  it('does not wait long for an endpoint that never answers if its signal aborts', async () => {
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

  it('leaves no session if its signal aborts after the session was created', async () => {
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

  it('sends nothing if its signal was already aborted', async () => {
    await using e = await openEndpoint();
    const starting = rejectionOf(openSession(e.target, { startSignal: AbortSignal.abort(REASON) }));
    expect(await starting).to.equal(REASON);
    expect(e.server.requests).to.have.length(0);
  });
});

describe('BrowserSession: its own driver', () => {
  it('causes a death by its exit if it is killed, without further questions', async () => {
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

  it('is ended without a DELETE by a kill, and its exit is not a death', async () => {
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

  it('causes a death when it closes with its browser, after a question to the session at an endpoint', async () => {
    await using browser = await openDevToolsServer({ pages: { s1: 'window-1' } });
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    await using s = await openSession(e.target);
    e.server.endSession(s.session.id, KILLED);
    browser.drop();
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'browser-gone', detectedBy: 'devtools' });
  });

  it('is restored if only the connection broke, and the session continues', async () => {
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

  it('is reported as a warning if it fails, and the session works without it', async () => {
    const browser = await openDevToolsServer();
    await browser[Symbol.asyncDispose]();
    await using e = await openEndpoint({ capabilities: capabilitiesFor(browser.address) });
    const { log, warnings } = makeWarnings();
    await using s = await openSession(e.target, { log });
    expect(await s.driver.getCurrentUrl()).to.equal('about:blank');
    expect(warnings.join()).to.contain('Could not connect to DevTools');
  });

  it('causes no death if it closes while the session is being stopped', async () => {
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

  it('is also closed if the session is released while the connection is being restored', async () => {
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

  it("reports the crash of the current window's tab, and not that of another tab", async () => {
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

describe('BrowserSession: a tab that crashes while the current window is unknown', () => {
  for (const [what, pages, deaths] of [
    ['causes the death of the session if it is the only one', { s1: 'window-1' }, 1],
    ['is reported by the command that fails on it if there are several', { s1: 'window-1', s2: 'window-2' }, 0],
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
      // Its answer comes after the event.
      await s.session.probe('heartbeat');
      expect(s.deaths).to.have.length(deaths);
    });
  }
});

describe('BrowserSession: its BiDi socket without DevTools', () => {
  it('causes a death if it closes with the session', async () => {
    await using bidi = await openBidiServer();
    await using e = await openEndpoint({ capabilities: { webSocketUrl: bidi.url } });
    await using s = await openSession(e.target, { browser: { browserName: 'firefox' } });
    e.server.endSession(s.session.id);
    bidi.drop();
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'session-removed', detectedBy: 'bidi' });
  });

  it('causes no death if it closes while the session answers: proxies close idle sockets', async () => {
    await using bidi = await openBidiServer();
    await using e = await openEndpoint({ capabilities: { webSocketUrl: bidi.url } });
    await using s = await openSession(e.target, { browser: { browserName: 'firefox' } });
    bidi.drop();
    await e.server.waitForRequest('GET /window/handles');
    await s.driver.getTitle();
    expect(s.deaths).to.deep.equal([]);
  });

  it('is reported as a warning if it is unreachable, as behind a Grid, and the session works without it', async () => {
    await using e = await openEndpoint({ capabilities: { webSocketUrl: 'ws://127.0.0.1:9/session/1' } });
    const { log, warnings } = makeWarnings();
    await using s = await openSession(e.target, { browser: { browserName: 'firefox' }, log });
    expect(await s.driver.getCurrentUrl()).to.equal('about:blank');
    expect(warnings.join()).to.contain('BiDi');
  });
});
