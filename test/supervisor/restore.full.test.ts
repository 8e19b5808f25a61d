import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { By, ConfigError, PageNotRestoredError, SessionSupervisor, type SupervisorOptions } from 'webdriver-supervisor';
import { killProcess } from 'webdriver-supervisor/testing';

import { eventually } from '../support/eventually.ts';
import { openStateSite, type StateSite } from '../support/state-site.ts';
import { rejectionOf, startScripted } from './support.ts';

/** A heartbeat interval so long that no probe disturbs a test that counts requests. */
const QUIET: SupervisorOptions = { heartbeatIntervalMs: 3_600_000 };

const SEEN = 'return JSON.parse(document.documentElement.dataset.seen)';

async function killBrowser(supervisor: SessionSupervisor): Promise<void> {
  const halted = once(supervisor.signal, 'abort');
  killProcess(supervisor.pids.browser!);
  await halted;
}

describe('SessionSupervisor: the state of a session whose browser was killed', () => {
  let site: StateSite;

  before(async () => {
    site = await openStateSite();
  });

  after(() => site[Symbol.asyncDispose]());

  const logIn = async ({ driver }: SessionSupervisor) => {
    await driver.get(`${site.url}/login`);
    await driver.executeScript('localStorage.token = "t"; sessionStorage.tab = "s"');
  };
  const visitsSince = (count: number) => site.visits.slice(count);

  it('is restored into the next session, and the page is opened when a command needs it', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await logIn(supervisor);
    await supervisor.driver.get(`${site.otherUrl}/other`);
    await supervisor.driver.executeScript('localStorage.other = "o"');
    await supervisor.driver.get(`${site.url}/page?n=1`);
    expect(await supervisor.checkpoint()).to.equal(true);
    await killBrowser(supervisor);
    const count = site.visits.length;
    await supervisor.restart();
    await supervisor.driver.manage().getTimeouts();
    expect(visitsSince(count)).to.deep.equal([]);
    expect(await supervisor.driver.getTitle()).to.equal('/page?n=1');
    expect(visitsSince(count)).to.deep.equal(['GET /page?n=1 id=secret; theme=dark']);
    expect(await supervisor.driver.executeScript(SEEN)).to.deep.equal([{ token: 't' }, { tab: 's' }]);
    await supervisor.driver.get(`${site.otherUrl}/other`);
    expect(await supervisor.driver.executeScript(SEEN)).to.deep.equal([{ other: 'o' }, {}]);
  });

  it('costs no extra load if the first command that needs a page is a navigation', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await logIn(supervisor);
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    const count = site.visits.length;
    await supervisor.restart();
    await supervisor.driver.get(`${site.url}/next`);
    expect(visitsSince(count)).to.deep.equal(['GET /next id=secret; theme=dark']);
  });

  it('has the page and the storage as they were at the death, even without a checkpoint after the last change', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await supervisor.driver.get(`${site.url}/first`);
    await supervisor.checkpoint();
    await supervisor.driver.get(`${site.url}/second`);
    await killBrowser(supervisor);
    await supervisor.restart();
    expect(await supervisor.driver.getTitle()).to.equal('/second');
  });

  it('is restored after a second death, even if no command has opened the page in between', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await logIn(supervisor);
    await supervisor.driver.manage().window().setRect({ width: 640, height: 480 });
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    await supervisor.restart();
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    await supervisor.restart();
    expect(await supervisor.driver.getTitle()).to.equal('/login');
    expect(await supervisor.driver.executeScript(SEEN)).to.deep.equal([{ token: 't' }, { tab: 's' }]);
    expect(await supervisor.driver.manage().window().getRect()).to.include({ width: 640, height: 480 });
  });

  it('is restored by a restart of a live session', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await logIn(supervisor);
    const count = site.visits.length;
    await supervisor.restart();
    expect(await supervisor.driver.getTitle()).to.equal('/login');
    expect(visitsSince(count)).to.deep.equal(['GET /login id=secret; theme=dark']);
  });

  it('is not restored with `restore: false`', async () => {
    await using supervisor = await SessionSupervisor.start({ ...QUIET, restore: false });
    await logIn(supervisor);
    expect(await supervisor.checkpoint()).to.equal(false);
    await killBrowser(supervisor);
    const count = site.visits.length;
    await supervisor.restart();
    expect(await supervisor.driver.getTitle()).to.equal('');
    await supervisor.driver.get(`${site.url}/page`);
    expect(visitsSince(count)).to.deep.equal(['GET /page']);
    expect(await supervisor.driver.executeScript(SEEN)).to.deep.equal([{}, {}]);
  });

  for (const [part, expected] of [
    ['cookies', { title: '/login', cookie: '', seen: [{ token: 't' }, { tab: 's' }] }],
    ['storage', { title: '/login', cookie: ' id=secret; theme=dark', seen: [{}, {}] }],
    ['page', { title: '', cookie: ' id=secret; theme=dark', seen: [{ token: 't' }, { tab: 's' }] }],
  ] as const) {
    it(`is restored without its ${part} with \`restore: { ${part}: false }\``, async () => {
      await using supervisor = await SessionSupervisor.start({ ...QUIET, restore: { [part]: false } });
      await logIn(supervisor);
      await supervisor.restart();
      const title = await supervisor.driver.getTitle();
      const count = site.visits.length;
      await supervisor.driver.get(`${site.url}/page`);
      const seen = await supervisor.driver.executeScript(SEEN);
      const cookie = visitsSince(count).join().replace('GET /page', '');
      // The page was loaded before, and has set its cookies again.
      if (part === 'cookies') expect({ title, seen }).to.deep.equal({ title: expected.title, seen: expected.seen });
      else expect({ title, cookie, seen }).to.deep.equal(expected);
    });
  }

  it('makes a command fail if it needs a page that was the answer to a POST, but no other command', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await logIn(supervisor);
    await supervisor.driver.findElement(By.id('post')).click();
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    await supervisor.restart();
    const count = site.visits.length;
    const refusal = await rejectionOf(supervisor.driver.getTitle());
    expect(refusal).to.be.instanceOf(PageNotRestoredError).and.to.include({ code: 'page-not-restored' });
    expect(refusal.message).to.contain(`${site.url}/answer`).and.to.contain('it was the answer to a POST');
    expect(visitsSince(count)).to.deep.equal([]);
    await supervisor.driver.get(`${site.url}/page`);
    expect(await supervisor.driver.getTitle()).to.equal('/page');
  });

  it('makes a command fail if it needs a page that had been changed, but not if the page was only read', async () => {
    await using supervisor = await SessionSupervisor.start(QUIET);
    await supervisor.driver.get(`${site.url}/page`);
    await supervisor.driver.executeScript('return document.title');
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    await supervisor.restart();
    await supervisor.driver.findElement(By.id('more')).click();
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    await supervisor.restart();
    const refusal = await rejectionOf(supervisor.driver.getTitle());
    expect(refusal).to.be.instanceOf(PageNotRestoredError);
    expect(refusal.message).to.contain('what was typed, clicked or run there is not part of its address');
  }).timeout(60_000);

  it('is restored after the user’s own hook, which is called only for the user’s commands', async () => {
    const labels: string[] = [];
    await using supervisor = await SessionSupervisor.start({
      ...QUIET,
      beforeCommand: ({ label }) => {
        labels.push(label);
        return undefined;
      },
    });
    await supervisor.driver.manage().setTimeouts({ implicit: 100 });
    await supervisor.driver.get(`${site.url}/page`);
    await supervisor.checkpoint();
    await killBrowser(supervisor);
    labels.length = 0;
    await supervisor.restart();
    expect(await supervisor.driver.getTitle()).to.equal('/page');
    expect(await supervisor.driver.manage().getTimeouts()).to.include({ implicit: 100 });
    expect(labels).to.deep.equal(['POST /session', 'GET /title', 'GET /timeouts']);
  });
});

describe('SessionSupervisor: a file of browser state', () => {
  let site: StateSite;
  let folder: Awaited<ReturnType<typeof mkdtempDisposable>>;
  let file: string;

  beforeEach(async () => {
    site = await openStateSite();
    folder = await mkdtempDisposable(path.join(tmpdir(), 'state-'));
    file = path.join(folder.path, 'state.json');
  });

  afterEach(async () => {
    await folder.remove();
    await site[Symbol.asyncDispose]();
  });

  const storedCookies = async () => {
    const { cookies } = JSON.parse(await readFile(file, 'utf8')) as { cookies: { name: string }[] };
    return cookies.map(({ name }) => name);
  };

  for (const [how, end] of [
    ['the supervisor is stopped', (supervisor: SessionSupervisor) => supervisor.stop()],
    ['the driver quits', ({ driver }: SessionSupervisor) => driver.quit()],
  ] as const) {
    it(`contains the login when ${how}, and the next supervisor begins logged in`, async () => {
      await using supervisor = await SessionSupervisor.start({ ...QUIET, sessionState: file });
      await supervisor.driver.get(`${site.url}/login`);
      await end(supervisor);
      await using next = await SessionSupervisor.start({ ...QUIET, sessionState: file });
      await next.driver.get(`${site.url}/page`);
      expect(site.visits).to.deep.equal(['GET /login', 'GET /page id=secret; theme=dark']);
    });
  }

  it('is updated in the background after a command', async () => {
    await using supervisor = await SessionSupervisor.start({ ...QUIET, sessionState: file });
    await supervisor.driver.get(`${site.url}/login`);
    await eventually(async () => existsSync(file) && (await storedCookies()).length > 0, 'the cookies in the file');
    expect(await storedCookies()).to.deep.equal(['id', 'theme']);
    expect(supervisor.state).to.equal('alive');
  });

  it('is updated by a checkpoint, also with `restore: false`', async () => {
    await using supervisor = await SessionSupervisor.start({ ...QUIET, sessionState: file, restore: false });
    await supervisor.driver.get(`${site.url}/login`);
    expect(await supervisor.checkpoint()).to.equal(true);
    expect(await storedCookies()).to.deep.equal(['id', 'theme']);
  });

  it('of Playwright is restored into each session, also after a death', async () => {
    const { hostname, origin } = new URL(site.url);
    await writeFile(
      file,
      JSON.stringify({
        cookies: [{ name: 'id', value: 'given', domain: hostname, path: '/', expires: -1, httpOnly: true }],
        origins: [{ origin, localStorage: [{ name: 'token', value: 'given' }] }],
      }),
    );
    await using supervisor = await SessionSupervisor.start({ ...QUIET, sessionState: file });
    await killBrowser(supervisor);
    await supervisor.restart();
    await supervisor.driver.get(`${site.url}/page`);
    expect(site.visits).to.deep.equal(['GET /page id=given']);
    expect(await supervisor.driver.executeScript(SEEN)).to.deep.equal([{ token: 'given' }, {}]);
  });

  it('with another content is refused before a browser starts', async () => {
    await writeFile(file, '{ "cookies": [{ "name": 1 }] }');
    const refusal = await rejectionOf(SessionSupervisor.start({ ...QUIET, sessionState: file, browserPath: '/none' }));
    expect(refusal).to.be.instanceOf(ConfigError);
    expect(refusal.message).to.contain(file).and.to.contain('cookies.0.name');
  });
});

describe('SessionSupervisor: a session whose browser does not report its state', () => {
  it('has no checkpoint, gets no request for one, and restarts without it', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    await supervisor.driver.get('http://shop.test/');
    const { length } = server.requests;
    expect(await supervisor.checkpoint()).to.equal(false);
    await supervisor.restart();
    const sent = server.requests.slice(length).map(({ method, path: sentPath }) => `${method} ${sentPath}`);
    expect(sent.filter((line) => /^(GET|POST) .*\/session\/./.test(line))).to.deep.equal([]);
  });

  it('rejects a checkpoint after its end with the reason of the end', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    await supervisor.stop();
    expect(await rejectionOf(supervisor.checkpoint())).to.include({ code: 'session-ended' });
  });

  it('that is attached is neither asked for its state nor changed', async () => {
    await using other = await startScripted();
    const { server } = other;
    const { length } = server.requests;
    const attached = await SessionSupervisor.attach(server.url, other.supervisor.sessionId!, {});
    expect(await attached.checkpoint()).to.equal(false);
    await attached.stop();
    const sent = server.requests.slice(length).map(({ method, path: sentPath }) => `${method} ${sentPath}`);
    expect(sent.filter((line) => /cookie|execute|url/.test(line))).to.deep.equal([]);
  });
});
