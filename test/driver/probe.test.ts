import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect } from 'chai';
import { freeze, type ScriptedAnswer } from 'webdriver-supervisor/testing';
import { HttpClient } from '../../src/driver/http-client.ts';
import { probeSession } from '../../src/driver/probe.ts';
import type { DevToolsReply } from './support/devtools-server.ts';
import { describeResult, HEALTHY, LIMIT_MS, openSituation, type Situation } from './support/probe-situation.ts';

/** The pause before an endpoint that dropped a connection is probed again. */
const RECONNECT_DELAY_MS = 1_000;
const HUNG: ScriptedAnswer = { fault: 'never' };
/** Recorded from Grid 4.47. */
const CONNECTION_ERROR = 'Connection error (GET http://localhost:8107/session/1/window/handles)';
const BROWSER_CLOSED = 'invalid session id: session deleted as the browser has closed the connection';
const EXISTING = 'Unable to execute request for an existing session: ';

const TABLE: readonly Situation[] = [
  { what: 'a local driver and browser, healthy', isOwnDriver: true, browser: HEALTHY, expected: 'alive' },
  {
    what: 'a frozen browser with a driver that answers',
    isOwnDriver: true,
    browser: 'never',
    expected: 'frozen: the browser',
  },
  {
    what: 'a frozen driver with a browser that answers',
    isOwnDriver: true,
    browser: HEALTHY,
    driver: { 'GET /status': HUNG },
    expected: 'frozen: the driver',
  },
  {
    what: 'a driver that breaks connections',
    isOwnDriver: true,
    browser: HEALTHY,
    driver: { 'GET /status': { fault: 'reset' } },
    expected: 'driver-gone: the driver',
  },
  {
    what: 'another server in place of a driver that is gone',
    isOwnDriver: true,
    browser: HEALTHY,
    driver: { 'GET /status': { status: 502, body: '<html>Bad Gateway</html>' } },
    expected: 'driver-gone: the driver answers GET /status with 502',
  },
  {
    what: 'a DevTools socket that closes, which is explained elsewhere',
    isOwnDriver: true,
    browser: 'close',
    expected: 'unknown',
  },
  {
    what: 'a frozen browser with a command in flight',
    isOwnDriver: true,
    browser: 'never',
    inFlight: 1,
    expected: 'frozen: the browser',
  },
  {
    what: 'an attached session whose other requests wait behind a command of the other program',
    isOwnDriver: false,
    browser: HEALTHY,
    driver: { 'GET /window/handles': HUNG },
    expected: 'alive',
  },
  {
    what: 'an endpoint whose browser is frozen',
    isOwnDriver: false,
    browser: 'never',
    driver: { 'GET /window/handles': HUNG },
    expected: 'frozen: the browser',
  },
  {
    what: 'a browser whose socket is lost, and whose session answers',
    isOwnDriver: false,
    browser: 'never',
    connections: 'accepted',
    expected: 'alive',
  },
  {
    what: 'a browser of a Grid that was killed, whose socket the Grid did not close',
    isOwnDriver: false,
    browser: 'never',
    connections: 'refused',
    driver: { 'GET /window/handles': { error: 'invalid session id', message: BROWSER_CLOSED } },
    expected: `browser-gone: ${BROWSER_CLOSED}`,
  },
  {
    what: 'a browser of a Grid that was killed while a command is in flight',
    isOwnDriver: false,
    browser: 'never',
    connections: 'refused',
    inFlight: 1,
    expected: 'browser-gone: the browser refuses',
  },
  {
    what: 'a frozen driver of a Grid, whose browser answers',
    isOwnDriver: false,
    browser: HEALTHY,
    driver: { 'GET /webdriver-supervisor/probe': HUNG },
    expected: 'frozen: the driver',
  },
  {
    what: 'a driver of a Grid that was killed, whose browser answers',
    isOwnDriver: false,
    browser: HEALTHY,
    driver: { 'GET /webdriver-supervisor/probe': { error: 'unknown error', message: CONNECTION_ERROR } },
    expected: `driver-gone: ${CONNECTION_ERROR}`,
  },
  {
    what: 'a node of a Grid that was killed',
    isOwnDriver: false,
    browser: 'never',
    driver: {
      'GET /webdriver-supervisor/probe': { error: 'unknown error', message: `${EXISTING}${CONNECTION_ERROR}` },
    },
    expected: `driver-gone: ${EXISTING}`,
  },
  {
    what: 'a session that a Grid removed, with a command in flight, whose socket it did not close',
    isOwnDriver: false,
    browser: HEALTHY,
    driver: {
      'GET /webdriver-supervisor/probe': { error: 'invalid session id', message: 'Unable to find session with ID: 1' },
    },
    inFlight: 1,
    expected: 'session-removed: Unable to find session',
  },
  {
    what: 'a frozen browser of a Grid with a command in flight',
    isOwnDriver: false,
    browser: 'never',
    driver: { 'GET /window/handles': HUNG },
    inFlight: 1,
    expected: 'frozen: the browser',
  },
  {
    what: 'a frozen driver of a Grid with a command in flight, whose browser answers',
    isOwnDriver: false,
    browser: HEALTHY,
    driver: { 'GET /webdriver-supervisor/probe': HUNG },
    inFlight: 1,
    expected: 'frozen: the driver',
  },
  {
    what: 'a driver of a Grid that was killed while a command is in flight',
    isOwnDriver: false,
    browser: HEALTHY,
    driver: { 'GET /webdriver-supervisor/probe': { error: 'unknown error', message: CONNECTION_ERROR } },
    inFlight: 1,
    expected: `driver-gone: ${CONNECTION_ERROR}`,
  },
  {
    what: 'a driver that answers nothing while it handles a command, such as geckodriver',
    isOwnDriver: false,
    driver: { 'GET /webdriver-supervisor/probe': HUNG },
    browserName: 'firefox',
    inFlight: 1,
    expected: 'unknown',
  },
  { what: 'an idle session at an endpoint without DevTools', isOwnDriver: false, expected: 'alive' },
  {
    what: 'a frozen session at an endpoint',
    isOwnDriver: false,
    driver: { 'GET /window/handles': HUNG },
    expected: 'frozen: the session',
  },
  {
    what: 'a hung session with a command in flight, which explains the silence',
    isOwnDriver: false,
    driver: { 'GET /window/handles': HUNG },
    inFlight: 1,
    expected: 'unknown',
  },
  {
    what: 'a session that its endpoint removed',
    isOwnDriver: false,
    driver: { 'GET /window/handles': { error: 'invalid session id', message: 'Unable to find session with ID: 1' } },
    expected: 'session-removed: Unable to find session',
  },
  {
    what: 'a session whose browser was killed',
    isOwnDriver: false,
    driver: {
      'GET /window/handles': {
        error: 'invalid session id',
        message: BROWSER_CLOSED,
      },
    },
    expected: 'browser-gone: invalid session id',
  },
  {
    what: 'an alert open at an endpoint',
    isOwnDriver: false,
    driver: { 'GET /window/handles': { error: 'unexpected alert open', message: '{Alert text : boo}' } },
    expected: 'alive',
  },
  {
    what: 'a proxy with a problem, which says nothing about the session',
    isOwnDriver: false,
    driver: { 'GET /window/handles': { status: 502, body: '<html>Bad Gateway</html>' } },
    expected: 'unknown',
  },
  {
    what: 'an endpoint that breaks connections',
    isOwnDriver: false,
    driver: { 'GET /window/handles': { fault: 'reset' } },
    expected: 'network-lost: the endpoint',
  },
  {
    what: 'an endpoint that is silent with a command in flight',
    isOwnDriver: false,
    driver: { 'GET /status': HUNG },
    browserName: 'firefox',
    inFlight: 1,
    expected: 'network-lost: the endpoint',
  },
];

const startSleeper = () => startProgram('sleep', ['60']);

/** Starts a program in a process group of its own. Disposing ends the group. */
function startProgram(program: string, args: readonly string[]): AsyncDisposable & { readonly pid: number } {
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  return {
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      process.kill(-child.pid!, 'SIGKILL');
      await ended;
    },
  };
}

function blockFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('probeSession', () => {
  for (const { what, expected, ...situation } of TABLE) {
    it(`returns ${expected.split(':')[0]} for ${what}`, async () => {
      await using s = await openSituation(situation);
      const startedAt = performance.now();
      const result = describeResult(await probeSession(s.targets));
      expect(result.startsWith(expected), result).to.equal(true);
      expect(performance.now() - startedAt, 'time').to.be.below(
        4 * LIMIT_MS + 500 + (expected.startsWith('network-lost') ? RECONNECT_DELAY_MS : 0),
      );
    });
  }

  it('names an endpoint that refuses connections', async () => {
    await using s = await openSituation({ isOwnDriver: false });
    await s.server.close();
    const http = new HttpClient(s.server.url);
    const result = await probeSession({ ...s.targets, http });
    expect(describeResult(result)).to.match(/^network-lost: the endpoint can't be reached: .*ECONNREFUSED/);
  });

  it("reports the reason if Node's error has no message", async () => {
    await using s = await openSituation({ isOwnDriver: false });
    await s.server.close();
    const http = new HttpClient(`http://localhost:${s.server.port}`);
    expect(describeResult(await probeSession({ ...s.targets, http }))).to.contain('ECONNREFUSED');
  });

  for (const blockedMs of [LIMIT_MS + 5, LIMIT_MS + 150]) {
    it(`probes again if this process was delayed for ${blockedMs} ms, which is not a death (invariant 3)`, async () => {
      await using s = await openSituation({ isOwnDriver: true, browser: HEALTHY });
      const probing = probeSession(s.targets);
      blockFor(blockedMs);
      expect(describeResult(await probing)).to.equal('alive');
    });
  }

  it('probes again after a delay of this process, and then reports a frozen browser', async () => {
    await using s = await openSituation({ isOwnDriver: true, browser: 'never' });
    const probing = probeSession(s.targets);
    blockFor(LIMIT_MS + 300);
    expect(describeResult(await probing)).to.contain('frozen');
    expect(s.browserCalls()).to.be.at.least(2);
  });

  it('probes again if the processes run but do not answer, because a busy machine is not a death (invariant 3)', async () => {
    await using s = await openSituation({ isOwnDriver: true, browser: 'never' });
    await using sleeper = startSleeper();
    const result = describeResult(await probeSession({ ...s.targets, pids: [sleeper.pid] }));
    expect(result).to.contain('frozen');
    expect(s.browserCalls()).to.be.at.least(2);
  });

  it('probes ten times if a process below is running all the time, because it is slow, not frozen (invariant 3)', async () => {
    await using s = await openSituation({ isOwnDriver: true, browser: 'never' });
    await using shell = startProgram('sh', ['-c', 'while :; do :; done & wait']);
    const probing = probeSession({ ...s.targets, pids: [shell.pid], limitMs: 20 });
    expect(describeResult(await probing)).to.contain('frozen');
    expect(s.browserCalls()).to.equal(10);
  });

  it('accepts the first answer if one of the processes is stopped', async () => {
    await using s = await openSituation({ isOwnDriver: true, browser: 'never' });
    await using sleeper = startSleeper();
    await freeze(sleeper.pid);
    const startedAt = performance.now();
    expect(describeResult(await probeSession({ ...s.targets, pids: [process.pid, sleeper.pid] }))).to.contain('frozen');
    if (performance.now() - startedAt < LIMIT_MS + 20) expect(s.browserCalls()).to.equal(1);
  });

  it('returns alive for an endpoint that drops connections only for a moment', async () => {
    await using s = await openSituation({ isOwnDriver: false });
    s.server.answer('GET /window/handles', { fault: 'reset' }, { times: 1 });
    expect(describeResult(await probeSession(s.targets))).to.equal('alive');
  });

  it('returns alive for a node of a Grid that is silent only for a moment', async () => {
    await using s = await openSituation({ isOwnDriver: false, browser: HEALTHY });
    s.server.answer('GET /window/handles', HUNG, { times: 1 });
    expect(describeResult(await probeSession(s.targets))).to.equal('alive');
  });

  it('probes once if this process was not delayed by a busy machine', async () => {
    await using s = await openSituation({ isOwnDriver: true, browser: 'never' });
    const startedAt = performance.now();
    await probeSession(s.targets);
    if (performance.now() - startedAt < LIMIT_MS + 20) expect(s.browserCalls()).to.equal(1);
  });
});

/** The time limit of these probes is below the shorter limit, so the numbers of questions tell which limits were used. */
describe('probeSession while work waits for the session', () => {
  /** A longer time limit, because a busy machine delays this process by a part of it. */
  const URGENT = { isUrgent: true, limitMs: 6 * LIMIT_MS };
  const openUrgent = (browser: DevToolsReply) => openSituation({ isOwnDriver: true, browser, inFlight: 1 });

  it('returns frozen after one question if a process is stopped', async () => {
    await using s = await openUrgent('never');
    await using sleeper = startSleeper();
    await freeze(sleeper.pid);
    const probing = probeSession({ ...s.targets, ...URGENT, pids: [process.pid, sleeper.pid] });
    expect(describeResult(await probing)).to.contain('frozen: the browser');
    expect(s.browserCalls()).to.equal(1);
  });

  it('returns frozen after one question if all processes are asleep', async () => {
    await using s = await openUrgent('never');
    await using sleeper = startSleeper();
    const probing = probeSession({ ...s.targets, ...URGENT, pids: [sleeper.pid] });
    expect(describeResult(await probing)).to.contain('frozen: the browser');
    expect(s.browserCalls()).to.equal(1);
  });

  it('continues if a process below is running, until the browser answers (invariant 3)', async () => {
    await using s = await openUrgent('never');
    await using shell = startProgram('sh', ['-c', 'while :; do :; done & wait']);
    const probing = probeSession({ ...s.targets, isUrgent: true, pids: [shell.pid], limitMs: 20 });
    await s.waitForBrowserCalls(4);
    s.answerAsBrowser(HEALTHY);
    expect(describeResult(await probing)).to.equal('alive');
  });

  it('asks with the usual limit if the processes are unknown', async () => {
    await using s = await openUrgent('never');
    expect(describeResult(await probeSession({ ...s.targets, isUrgent: true }))).to.contain('frozen');
    expect(s.browserCalls()).to.be.at.least(2);
  });

  it('asks the driver of an endpoint, too, with a request that does not wait behind the command', async () => {
    await using s = await openSituation({ isOwnDriver: false, browser: HEALTHY, inFlight: 1 });
    expect(describeResult(await probeSession({ ...s.targets, isUrgent: true }))).to.equal('alive');
    expect(s.server.requests.at(-1)?.path).to.match(/\/session\/\S+\/webdriver-supervisor\/probe$/);
  });
});
