import { expect } from 'chai';
import { error as seleniumErrors } from 'selenium-webdriver';
import { openFaultSite, type FaultSite } from 'webdriver-supervisor/testing';
import { CommandTimeoutError } from '../../src/driver/death.ts';
import { crashPage } from './support/crash-page.ts';
import { openLimitedSession, toUrl } from './support/limited-session.ts';
import { localBrowser } from './support/local-browser.ts';
import { rejectionOf } from './support/programs.ts';
import { openSession } from './support/sessions.ts';

const COMMAND_TIMEOUT_MS = 1_500;
const GRACE_MS = 3_000;

describe('No false death, on a real browser (invariant 3)', () => {
  let site: FaultSite;
  let s: Awaited<ReturnType<typeof openSession>>;

  before(async () => {
    site = await openFaultSite();
    s = await openSession(await localBrowser(), {
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      heartbeatTimeoutMs: 1_000,
      browser: { capabilities: { unhandledPromptBehavior: 'ignore' } },
    });
  });

  after(async () => {
    await s[Symbol.asyncDispose]();
    await site.close();
  });

  /** Checks that the session answers a probe and a command, and that no death was reported. */
  const expectAlive = async () => {
    s.reports.length = 0;
    await s.session.probe('heartbeat');
    expect(s.reports).to.deep.equal(['alive']);
    await s.driver.get(`${site.url}/ok`);
    expect(await s.driver.getTitle()).to.equal('ok');
    expect(s.deaths).to.deep.equal([]);
  };

  it('is declared for a page that loads longer than the heartbeat timeout: probes are answered in the meantime', async () => {
    const load = s.driver.get(`${site.url}/slow?ms=1200`);
    await site.waitForRequest(/\/slow/);
    for (let probes = 0; probes < 3; probes++) {
      s.reports.length = 0;
      await s.session.probe('heartbeat');
      expect(s.reports).to.deep.equal(['alive']);
    }
    await load;
    await expectAlive();
  });

  it('is declared for an open alert', async () => {
    await s.driver.get(`${site.url}/alert`);
    const error = await rejectionOf(
      (async () => {
        for (;;) await s.driver.getTitle();
      })(),
    );
    expect(error).to.be.instanceOf(seleniumErrors.UnexpectedAlertOpenError);
    s.reports.length = 0;
    await s.session.probe('heartbeat');
    expect(s.reports).to.deep.equal(['alive']);
    await s.driver.switchTo().alert().dismiss();
    await expectAlive();
  });

  it('is declared for an alert with the message of a dead session', async () => {
    await s.driver.executeScript('setTimeout(() => alert("Session timed out or not found"), 0)');
    await rejectionOf(
      (async () => {
        for (;;) await s.driver.getTitle();
      })(),
    );
    await s.driver.switchTo().alert().dismiss();
    await expectAlive();
  });

  it('is declared for a window that a page opens and uses: it loads, and its opener continues', async () => {
    const { driver } = s;
    await driver.get(`${site.url}/ok`);
    const opened = await driver.executeScript<string>(
      'const child = window.open(arguments[0], "child", "width=300,height=200"); return String(child !== null);',
      `${site.url}/json`,
    );
    expect(opened).to.equal('true');
    await driver.wait(async () => (await driver.getAllWindowHandles()).length === 2, 5_000);
    const [first = '', second = ''] = await driver.getAllWindowHandles();
    await driver.switchTo().window(second);
    await driver.wait(async () => (await driver.getCurrentUrl()).endsWith('/json'), 5_000);
    await driver.close();
    await driver.switchTo().window(first);
    expect(await driver.getTitle()).to.equal('ok');
  });

  it('is declared for a closed tab', async () => {
    const first = await s.driver.getWindowHandle();
    await s.driver.switchTo().newWindow('tab');
    await s.driver.close();
    expect(await rejectionOf(s.driver.getTitle())).to.be.instanceOf(seleniumErrors.NoSuchWindowError);
    await s.driver.switchTo().window(first);
    await expectAlive();
  });

  it('is declared for a script that throws, with any message', async () => {
    const error = await rejectionOf(s.driver.executeScript('throw new Error("chrome not reachable: tab crashed")'));
    expect(error).to.be.instanceOf(seleniumErrors.JavascriptError);
    await s.driver.get(`${site.url}/script-error`);
    await expectAlive();
  });

  it('is declared for an unreachable page', async () => {
    const closed = await openFaultSite();
    await closed.close();
    const error = await rejectionOf(s.driver.get(`${closed.url}/ok`));
    expect(error.message).to.contain('net::ERR_');
    await expectAlive();
  });

  it('is declared for an asynchronous script that returns null on purpose', async () => {
    expect(await s.driver.executeAsyncScript('arguments[0](null)')).to.equal(null);
    await expectAlive();
  });

  it('is declared for a crashed tab in the background until a command switches to it', async () => {
    await using own = await openSession(await localBrowser());
    const first = await own.driver.getWindowHandle();
    await own.driver.get(`${site.url}/ok`);
    await own.driver.switchTo().newWindow('tab');
    await own.driver.get(`${site.url}/ok`);
    const second = await own.driver.getWindowHandle();
    await own.driver.switchTo().window(first);
    await crashPage(own.session.capabilities, second);
    await own.session.probe('heartbeat');
    expect(await own.driver.getTitle()).to.equal('ok');
    expect(own.deaths).to.deep.equal([]);
    await own.driver
      .switchTo()
      .window(second)
      .catch(() => undefined);
    expect(await rejectionOf(own.driver.getTitle())).to.equal(own.halt.signal.reason);
    expect((await own.died).cause).to.equal('tab-crashed');
  });

  it('is declared for a page in an endless loop: the command ends at its deadline, and the session continues', async () => {
    await s.driver.get(`${site.url}/loop`);
    await site.waitForRequest(/loop-begun/);
    const startedAt = performance.now();
    expect(await rejectionOf(s.driver.getTitle())).to.be.instanceOf(CommandTimeoutError);
    expect(performance.now() - startedAt).to.be.within(COMMAND_TIMEOUT_MS - 50, COMMAND_TIMEOUT_MS + GRACE_MS);
    await expectAlive();
  });
});

describe('No false death in a session with its own limits, on a real browser (invariant 3)', () => {
  let s: Awaited<ReturnType<typeof openLimitedSession>>;

  before(async () => {
    s = await openLimitedSession();
  });

  after(() => s[Symbol.asyncDispose]());

  it('is declared for a page that loops while it loads: the driver times out, the error names its URL, and the next command works', async () => {
    const error = await rejectionOf(
      s.driver.get(toUrl('<title>loop</title><p>before</p><script>while (true);</script>')),
    );
    expect(error).to.be.instanceOf(seleniumErrors.TimeoutError);
    expect(error.message).to.contain('(page: data:');
    const startedAt = performance.now();
    expect(await s.driver.getTitle()).to.equal('loop');
    expect(performance.now() - startedAt).to.be.below(COMMAND_TIMEOUT_MS);
    await s.expectAlive();
  });
});
