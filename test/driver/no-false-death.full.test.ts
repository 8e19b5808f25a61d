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
import { makeRecorder, openSession } from './support/sessions.ts';

/** CI sends a part of the 10 000 commands that are required: HEALTHY_COMMANDS=10000 sends all of them, which takes a minute. */
const COMMANDS = Number(process.env['HEALTHY_COMMANDS'] ?? 2_000);
/** The distance between the moments at which a start is disturbed. START_STEP_MS=60 tries all moments. */
const START_STEP_MS = Number(process.env['START_STEP_MS'] ?? 200);
const PROBE_EVERY_MS = 100;
const GRACE_MS = 3_000;

/** Probes continuously, as a heartbeat does, until it is disposed of. */
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

describe('No false death, long runs', () => {
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

  it('is declared while this process is busy for seconds at a time', async () => {
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

  it('is declared when a script loops forever: the command ends at its deadline', async () => {
    await using s = await openSession(await localBrowser(), {
      commandTimeoutMs: 1_000,
      browser: { capabilities: { timeouts: { script: 500 } } },
    });
    const error = await rejectionOf(s.driver.executeScript('while (true);'));
    // A driver that ends the script by itself would also be correct; chromedriver 156 does not (measured).
    expect(error).to.be.instanceOf(CommandTimeoutError);
    expect(await s.driver.getTitle()).to.equal('');
    expect(s.deaths).to.deep.equal([]);
  });
});

describe('HttpClient, long runs', () => {
  it('does not end a command that takes longer than the limit of idle connections', async () => {
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

describe('A start that fails, at any moment', () => {
  for (let delayMs = 0; delayMs <= 600; delayMs += START_STEP_MS) {
    it(`leaves nothing if it is aborted after ${delayMs} ms`, async () => {
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

    it(`leaves no session at an endpoint if it is aborted after ${delayMs} ms`, async () => {
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

    it(`rejects with a start error, or ends in a death, if the driver is killed after ${delayMs} ms`, async () => {
      const before = leftovers();
      const recorder = makeRecorder();
      const starting = openSession(await localBrowser(), { recorder }).catch((thrown: unknown) => thrown);
      await wait(delayMs);
      const driver = newLeftovers(before).processes.find(({ command }) => /chromedriver.*--port=0/.test(command));
      if (driver !== undefined) killProcess(driver.pid);
      const outcome = await starting;
      if (outcome instanceof Error) expect(outcome).to.be.instanceOf(SessionStartError);
      else {
        if (driver !== undefined) expect((await recorder.died).cause).to.equal('driver-gone');
        await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
      }
      if (driver !== undefined) expect(isAlive(driver.pid)).to.equal(false);
      expect(newLeftovers(before).folders).to.deep.equal([]);
    });
  }
});

describe('No false death in a session with its own limits, long runs (invariant 3)', () => {
  let s: Awaited<ReturnType<typeof openLimitedSession>>;

  before(async () => {
    s = await openLimitedSession();
  });

  after(() => s[Symbol.asyncDispose]());

  it('is declared for a frame that loops while it loads: the next command works', async () => {
    const page = '<title>loop</title><iframe srcdoc="<script>while (true);</script>"></iframe>';
    expect(await rejectionOf(s.driver.get(toUrl(page)))).to.be.instanceOf(seleniumErrors.TimeoutError);
    expect(await s.driver.getTitle()).to.equal('loop');
    await s.expectAlive();
  });

  it('is declared for a page that loops when it is left: the next navigation times out, and the next command works', async () => {
    await using site = await openFaultSite();
    await s.driver.get(`${site.url}/ok`);
    await s.driver.executeScript("addEventListener('pagehide', () => { while (true); })");
    expect(await rejectionOf(s.driver.get(`${site.url}/ok`))).to.be.instanceOf(seleniumErrors.TimeoutError);
    await s.driver.getTitle();
    await s.expectAlive();
  });

  it('is declared for an asynchronous script without a limit that takes longer than any command: it returns its value', async () => {
    const script = `setTimeout(arguments[0], ${COMMAND_TIMEOUT_MS + GRACE_MS + 1_000}, 'late')`;
    expect(await s.driver.executeAsyncScript(script)).to.equal('late');
    await s.expectAlive();
  });
});
