import { expect } from 'chai';
import { setTimeout as wait } from 'node:timers/promises';
import { error as seleniumErrors } from 'selenium-webdriver';
import {
  isAlive,
  killProcess,
  leftovers,
  newLeftovers,
  openFaultSite,
  openScriptedWebDriver,
  waitUntilGone,
} from 'webdriver-supervisor/testing';
import { CommandTimeoutError, SessionStartError } from '../../src/driver/death.ts';
import { HttpClient } from '../../src/driver/http-client.ts';
import { startRealDriver } from '../support/real-driver.ts';
import { send } from '../support/send.ts';
import { COMMAND_TIMEOUT_MS, openLimitedSession, toUrl } from './support/limited-session.ts';
import { localBrowser } from './support/local-browser.ts';
import { rejectionOf } from './support/programs.ts';
import { makeKeeper, openSession } from './support/sessions.ts';

const COMMANDS = 10_000;
const PROBE_EVERY_MS = 100;
const GRACE_MS = 3_000;

/** Probes like a heartbeat does, all the time, until it is disposed of. */
function probeAllTheTime(session: { probe: (detectedBy: 'heartbeat') => Promise<unknown> }) {
  let probes = 0;
  const end = new AbortController();
  const done = (async () => {
    while (!end.signal.aborted) {
      await session.probe('heartbeat');
      probes += 1;
      await wait(PROBE_EVERY_MS);
    }
  })();
  return {
    count: () => probes,
    async [Symbol.asyncDispose]() {
      end.abort();
      await done;
    },
  };
}

describe('No false death, at length', () => {
  it(`is declared in ${COMMANDS} commands with slow pages, alerts, closed tabs and script errors`, async () => {
    await using site = await openFaultSite();
    await using s = await openSession(await localBrowser(), {
      heartbeatTimeoutMs: 3_000,
      browser: { capabilities: { unhandledPromptBehavior: 'ignore' } },
    });
    await using heartbeat = probeAllTheTime(s.session);
    const { driver } = s;
    const first = await driver.getWindowHandle();
    let commands = 0;
    const oddities = [
      () => driver.get(`${site.url}/slow?ms=400`),
      async () => {
        await driver.executeScript('setTimeout(() => alert("Session timed out or not found"), 0)');
        await driver.getTitle().catch(() => undefined);
        await driver.switchTo().alert().dismiss();
      },
      async () => {
        await driver.switchTo().newWindow('tab');
        await driver.close();
        await driver.getTitle().catch(() => undefined);
        await driver.switchTo().window(first);
      },
      () => driver.executeScript('throw new Error("chrome not reachable")').catch(() => undefined),
      () => driver.executeAsyncScript('arguments[0](null)'),
      () => driver.findElement({ css: '.from.tab.crashed' }).catch(() => undefined),
    ];
    await driver.get(`${site.url}/ok`);
    for (let round = 0; commands < COMMANDS; round++) {
      for (let i = 0; i < 100; i++) await driver.getTitle();
      await oddities[round % oddities.length]!();
      commands += 101;
    }
    expect(s.deaths).to.deep.equal([]);
    expect(s.halt.signal.aborted).to.equal(false);
    expect(heartbeat.count()).to.be.above(10);
  });

  it('is declared while this very process is busy for seconds at a time', async () => {
    await using s = await openSession(await localBrowser(), { heartbeatTimeoutMs: 300 });
    for (const busyMs of [310, 350, 420, 600, 1_400]) {
      const probing = s.session.probe('heartbeat');
      const until = performance.now() + busyMs;
      while (performance.now() < until);
      await probing;
    }
    await s.driver.getTitle();
    expect(s.deaths).to.deep.equal([]);
  });

  it('is declared when a script loops for ever: the command ends at its deadline', async () => {
    await using s = await openSession(await localBrowser(), {
      commandTimeoutMs: 1_000,
      browser: { capabilities: { timeouts: { script: 500 } } },
    });
    const error = await rejectionOf(s.driver.executeScript('while (true);'));
    // A driver that ends the script by itself would do as well; chromedriver 156 does not (measured).
    expect(error).to.be.instanceOf(CommandTimeoutError);
    expect(await s.driver.getTitle()).to.equal('');
    expect(s.deaths).to.deep.equal([]);
  });
});

describe('HttpClient, at length', () => {
  it('does not cut a command that takes longer than its idle connections are kept', async () => {
    await using server = await openScriptedWebDriver();
    const http = new HttpClient(server.url);
    const { signal } = new AbortController();
    using hold = server.hold('GET /status');
    const answer = http.send({ method: 'GET', path: '/status', signal });
    await hold.caught;
    await wait(2_600);
    hold.release();
    expect(await answer).to.include({ status: 200 });
    await wait(2_600);
    expect(server.openConnections).to.equal(0);
    http.close();
  });
});

describe('A start that goes wrong, at any moment', () => {
  for (let delayMs = 0; delayMs <= 600; delayMs += 60) {
    it(`leaves nothing where it is called off after ${delayMs} ms`, async () => {
      const before = leftovers();
      const stop = new AbortController();
      const starting = openSession(await localBrowser(), { startSignal: stop.signal }).catch(
        (thrown: unknown) => thrown,
      );
      await wait(delayMs);
      stop.abort(new Error('called off'));
      const outcome = await starting;
      if (!(outcome instanceof Error)) await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
      const { processes, folders } = newLeftovers(before);
      expect(folders).to.deep.equal([]);
      await waitUntilGone(processes.map(({ pid }) => pid));
    });

    it(`leaves no session at an endpoint where it is called off after ${delayMs} ms`, async () => {
      await using driver = await startRealDriver();
      const stop = new AbortController();
      const target = { kind: 'endpoint', url: driver.url } as const;
      const starting = openSession(target, { startSignal: stop.signal }).catch((thrown: unknown) => thrown);
      await wait(delayMs);
      stop.abort(new Error('called off'));
      const outcome = await starting;
      if (!(outcome instanceof Error)) await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
      expect((await send(`${driver.url}/sessions`)).json.value).to.deep.equal([]);
    });

    it(`is a start error, or a death once it began, where the driver is killed after ${delayMs} ms`, async () => {
      const before = leftovers();
      const keeper = makeKeeper();
      const starting = openSession(await localBrowser(), { keeper }).catch((thrown: unknown) => thrown);
      await wait(delayMs);
      const driver = newLeftovers(before).processes.find(({ command }) => /chromedriver.*--port=0/.test(command));
      if (driver !== undefined) killProcess(driver.pid);
      const outcome = await starting;
      if (outcome instanceof Error) expect(outcome).to.be.instanceOf(SessionStartError);
      else {
        if (driver !== undefined) expect((await keeper.died).cause).to.equal('driver-gone');
        await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
      }
      if (driver !== undefined) expect(isAlive(driver.pid)).to.equal(false);
      expect(newLeftovers(before).folders).to.deep.equal([]);
    });
  }
});

describe('No false death where the session has limits of its own, at length (law 3)', () => {
  let s: Awaited<ReturnType<typeof openLimitedSession>>;

  before(async () => {
    s = await openLimitedSession();
  });

  after(() => s[Symbol.asyncDispose]());

  it('a frame that loops while it loads: the next command works', async () => {
    const page = '<title>loop</title><iframe srcdoc="<script>while (true);</script>"></iframe>';
    expect(await rejectionOf(s.driver.get(toUrl(page)))).to.be.instanceOf(seleniumErrors.TimeoutError);
    expect(await s.driver.getTitle()).to.equal('loop');
    await s.expectAlive();
  });

  it('a page that loops when it is left: the driver gives the next one up, and the next command works', async () => {
    await using site = await openFaultSite();
    await s.driver.get(`${site.url}/ok`);
    await s.driver.executeScript("addEventListener('pagehide', () => { while (true); })");
    expect(await rejectionOf(s.driver.get(`${site.url}/ok`))).to.be.instanceOf(seleniumErrors.TimeoutError);
    await s.driver.getTitle();
    await s.expectAlive();
  });

  it('an asynchronous script without a limit that takes longer than any command: it ends with its value', async () => {
    const script = `setTimeout(arguments[0], ${COMMAND_TIMEOUT_MS + GRACE_MS + 1_000}, 'late')`;
    expect(await s.driver.executeAsyncScript(script)).to.equal('late');
    await s.expectAlive();
  });
});
