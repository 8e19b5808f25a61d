import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  freeze,
  isAlive,
  killProcess,
  leftovers,
  newLeftovers,
  openFaultSite,
  openRecordingProxy,
  waitUntilGone,
} from 'webdriver-supervisor/testing';
import { SessionStartError } from '../../src/driver/death.ts';
import { listProcesses, readProcessVariable } from '../../src/driver/process-table.ts';
import { startRealDriver } from '../support/real-driver.ts';
import { send } from '../support/send.ts';
import { crashPage } from './support/crash-page.ts';
import { localBrowser } from './support/local-browser.ts';
import { rejectionOf } from './support/programs.ts';
import { openSession } from './support/sessions.ts';

const REASON = new Error('no longer wanted');

describe('BrowserSession with its own driver, on a real browser', () => {
  it('leaves no process and no folder after its stop', async () => {
    const before = leftovers();
    const s = await openSession(await localBrowser());
    const { pid, folder } = s.session.driverProcess!;
    const pids = [pid, s.session.browserPid!];
    await s.session.stop();
    await waitUntilGone(pids);
    expect(newLeftovers(before).folders).not.to.include(folder);
    expect(s.deaths).to.deep.equal([]);
  });

  it('reports at once that its browser was killed, while idle, by the DevTools socket (R103)', async () => {
    await using s = await openSession(await localBrowser());
    killProcess(s.session.browserPid!);
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'browser-gone', detectedBy: 'devtools' });
    await s.session.killNow();
    expect(isAlive(s.session.driverProcess!.pid)).to.equal(false);
  });

  it('reports at once that its tab crashed, while idle (R103)', async () => {
    await using s = await openSession(await localBrowser());
    await crashPage(s.session.capabilities, await s.driver.getWindowHandle());
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'tab-crashed', detectedBy: 'devtools' });
  });

  it('distinguishes a quit by another client from the death of the browser', async () => {
    await using s = await openSession(await localBrowser());
    await send(`${s.session.endpointUrl}/session/${s.session.id}`, { method: 'DELETE' });
    expect((await s.died).cause).to.equal('session-removed');
  });

  it('detects a frozen browser by a probe, while idle', async () => {
    await using s = await openSession(await localBrowser(), { heartbeatTimeoutMs: 300 });
    await freeze(s.session.browserPid!);
    await s.session.probe('heartbeat');
    expect(s.deaths[0]).to.include({ cause: 'frozen', detectedBy: 'heartbeat' });
    await s.session.killNow();
  });

  it('reports no death after its own quit, and leaves nothing', async () => {
    const s = await openSession(await localBrowser());
    const pids = [s.session.driverProcess!.pid, s.session.browserPid!];
    await s.driver.quit();
    expect(s.reports).to.deep.equal(['quit']);
    await s.session.stop();
    await waitUntilGone(pids);
  });

  it('leaves nothing if its start is aborted', async () => {
    const before = leftovers();
    const stop = new AbortController();
    const starting = rejectionOf(openSession(await localBrowser(), { startSignal: stop.signal }));
    // When the browser's process exists, it also has a profile.
    while (!newLeftovers(before).processes.some(({ command }) => command.includes('--user-data-dir'))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop.abort(REASON);
    expect(await starting).to.equal(REASON);
    expect(newLeftovers(before).folders).to.deep.equal([]);
  });

  it("does not expose this process's secrets to the browser, the driver and the watchdog", async () => {
    process.env['REGISTRY_PASSWORD_OF_TEST'] = 'secret';
    try {
      await using s = await openSession(await localBrowser(), { browser: { environment: { LICENCE: '42' } } });
      const { pid, folder } = s.session.driverProcess!;
      const family = listProcesses().filter(({ pgid, command }) => pgid === pid || command.includes(folder));
      expect(family.map(({ command }) => command).join('\n')).to.match(/watchdog[^]*chromedriver[^]*--type=renderer/);
      for (const member of family) {
        expect(readProcessVariable(member.pid, 'REGISTRY_PASSWORD_OF_TEST'), member.command).to.equal(undefined);
      }
      expect(readProcessVariable(s.session.browserPid!, 'LICENCE')).to.equal('42');
    } finally {
      delete process.env['REGISTRY_PASSWORD_OF_TEST'];
    }
  });

  for (const [what, browserPath, words] of [
    ['does not exist', '/nowhere/chrome', /no browser at \/nowhere\/chrome/],
    ['ends at once', execFileSync('which', ['true']).toString().trim(), /ended as soon as it was started/],
  ] as const) {
    it(`names a browser that ${what}, and leaves nothing`, async () => {
      const before = leftovers();
      const error = await rejectionOf(openSession({ ...(await localBrowser()), browserPath }));
      expect(error).to.be.instanceOf(SessionStartError);
      expect(error.message).to.match(words).and.to.contain(browserPath);
      expect(newLeftovers(before).folders).to.deep.equal([]);
    });
  }

  it('reads and writes cookies, HttpOnly included, and restricts host cookies to their host', async () => {
    await using site = await openFaultSite();
    await using s = await openSession(await localBrowser());
    await s.driver.get(`${site.url}/set-cookie`);
    const { cookies } = s.session.browser;
    const [cookie] = await cookies.all();
    expect(cookie).to.include({ name: 'session', httpOnly: true, domain: '127.0.0.1' });
    await cookies.set({ ...cookie!, name: 'added', value: 'by us' });
    expect((await cookies.all()).map(({ name, domain }) => `${name} ${domain}`).sort()).to.deep.equal([
      'added 127.0.0.1',
      'session 127.0.0.1',
    ]);
    await cookies.remove(cookie!);
    expect((await cookies.all()).map(({ name }) => name)).to.deep.equal(['added']);
  });

  it('returns the page and the user agent without queueing behind a command', async () => {
    await using site = await openFaultSite();
    await using s = await openSession(await localBrowser());
    expect(await s.session.browser.pageUrl()).to.equal(null);
    await s.driver.get(`${site.url}/ok`);
    const userAgent = await s.driver.executeScript<string>('return navigator.userAgent');
    using hold = site.hold('/slow');
    const load = s.driver.get(`${site.url}/slow?ms=1`);
    await hold.caught;
    // Chromium may already report the page that is being loaded.
    expect(await s.session.browser.pageUrl()).to.match(new RegExp(`^${site.url}/(ok|slow)`));
    expect(await s.session.browser.userAgent()).to.equal(userAgent);
    expect(s.session.commandsInFlight).to.equal(1);
    hold.release();
    await load;
  });
});

describe('BrowserSession at a running driver, on a real browser', () => {
  it('is ended by one DELETE, and the driver keeps running', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const s = await openSession({ kind: 'endpoint', url: proxy.url });
    const browser = s.session.browserPid!;
    await s.session.stop();
    await s.session.killNow();
    await waitUntilGone([browser]);
    expect(proxy.requestsFor(s.session.id).filter(({ method }) => method === 'DELETE')).to.have.length(1);
    expect(isAlive(driver.pid)).to.equal(true);
  });

  it('reports at once that its browser was killed, and then sends its one DELETE', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    await using s = await openSession({ kind: 'endpoint', url: proxy.url });
    killProcess(s.session.browserPid!);
    const { cause, detectedBy } = await s.died;
    expect({ cause, detectedBy }).to.deep.equal({ cause: 'browser-gone', detectedBy: 'devtools' });
    await Promise.all([s.session.killNow(), s.session.killNow()]);
    expect(proxy.requestsFor(s.session.id).filter(({ method }) => method === 'DELETE')).to.have.length(1);
  });

  it('reports by a probe that the endpoint is gone', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    await using s = await openSession({ kind: 'endpoint', url: proxy.url });
    proxy.refuse();
    await s.session.probe('heartbeat');
    expect(s.deaths[0]).to.include({ cause: 'network-lost', detectedBy: 'heartbeat' });
    proxy.restore();
  });

  it('watches a session of another program, and leaves it running', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    await using owner = await openSession({ kind: 'endpoint', url: driver.url });
    const { id: sessionId, capabilities } = owner.session;
    const s = await openSession({ kind: 'attached', url: proxy.url, sessionId, capabilities });
    expect(await s.driver.getTitle()).to.equal('');
    await s.session.stop();
    await s.session.killNow();
    expect(proxy.requests.map(({ method }) => method)).not.to.include('DELETE');
    expect(await owner.driver.getTitle()).to.equal('');
  });

  it('leaves no session at the endpoint if the start is aborted', async () => {
    await using driver = await startRealDriver();
    await using proxy = await openRecordingProxy(driver.url);
    const stop = new AbortController();
    const starting = rejectionOf(openSession({ kind: 'endpoint', url: proxy.url }, { startSignal: stop.signal }));
    await proxy.waitForRequest('POST /session');
    stop.abort(REASON);
    expect(await starting).to.equal(REASON);
    expect((await send(`${driver.url}/sessions`)).json.value).to.deep.equal([]);
  });
});
