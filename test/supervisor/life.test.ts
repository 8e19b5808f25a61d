import fsPromises from 'node:fs/promises';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';
import { spy, stub, useFakeTimers } from 'sinon';

import { SessionDeathError, SessionEndedError, SessionSupervisor } from '../../src/supervisor/supervisor.ts';
import { SessionStartError } from '../../src/driver/driver.ts';
import { killProcess, openScriptedWebDriver } from 'webdriver-supervisor/testing';
import { kill, rejectionOf, startScripted, turn } from './support.ts';

const QUICK_RESTARTS = { restartLimit: { limit: 10, windowMs: 600_000 } };
const failStart = { error: 'session not created', message: 'no more slots' };

describe('SessionSupervisor: starting', () => {
  it('is alive, not halted and in epoch 1 once it is started (R101)', async () => {
    await using scripted = await startScripted({ owner: 'anna' });
    const { supervisor, server } = scripted;
    expect(supervisor).to.include({ state: 'alive', epoch: 1, owner: 'anna', sessionId: server.sessionIds[0] });
    expect(supervisor.shouldHaltOperations()).to.equal(false);
    expect(supervisor.signal.aborted).to.equal(false);
    expect(supervisor.capabilities['browserName']).to.equal('scripted');
    expect(() => supervisor.throwIfHalted()).not.to.throw();
  });

  it('rejects with a start error, and no death, when the first start fails', async () => {
    await using server = await openScriptedWebDriver({ answers: { 'POST /session': failStart } });
    const error = await rejectionOf(SessionSupervisor.start({ gridUrl: server.url, ...QUICK_RESTARTS }));
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain('no more slots');
    expect(server.requests.filter(({ path: sent }) => sent === '/session')).to.have.length(1);
  });

  it('ends a start under way when the given signal aborts, with its reason', async () => {
    await using server = await openScriptedWebDriver();
    const hold = server.hold('POST /session');
    const controller = new AbortController();
    const starting = rejectionOf(SessionSupervisor.start({ gridUrl: server.url, signal: controller.signal }));
    await hold.caught;
    const reason = new Error('changed my mind');
    controller.abort(reason);
    hold.release();
    expect(await starting).to.equal(reason);
    expect(server.sessionIds, 'nor is the session left that came of it').to.deep.equal([]);
  });
});

describe('SessionSupervisor: a browser or driver that dies while its session starts', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'life-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** An executable that starts as chromedriver does, with a scripted server behind it, and tells its process id in a file. */
  const writeScriptedDriver = (debuggerAddress: string): { driverPath: string; driverPid: () => number } => {
    const driverPath = path.join(folder, 'driver');
    const pidFile = path.join(folder, 'pid');
    const kit = JSON.stringify(path.resolve('src/testing.ts'));
    const options = JSON.stringify({ capabilities: { 'goog:chromeOptions': { debuggerAddress } } });
    const body = [
      `import { openScriptedWebDriver } from ${kit};`,
      `const server = await openScriptedWebDriver(${options});`,
      `(await import('node:fs')).writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`,
      "console.log('ChromeDriver was started successfully on port ' + server.port + '.');",
    ].join('\n');
    writeFileSync(`${driverPath}.mts`, body);
    writeFileSync(
      driverPath,
      `#!/bin/sh\nexec ${process.execPath} --conditions=webdriver-supervisor:source --disable-warning=ExperimentalWarning ${driverPath}.mts\n`,
    );
    chmodSync(driverPath, 0o755);
    return { driverPath, driverPid: () => Number(readFileSync(pidFile, 'utf8')) };
  };

  it('is a start error, not a session that nobody watches, when the driver goes after the session was made (R103)', async () => {
    // Asked for DevTools, which is between the session's making and the end of the start, it sees to the driver's end.
    let driverPid: () => number = () => 0;
    const browser = createServer((_request, response) => {
      killProcess(driverPid());
      void untilReaped(driverPid()).then(() => response.writeHead(404).end());
    });
    await new Promise<void>((resolve) => browser.listen(0, '127.0.0.1', resolve));
    try {
      const written = writeScriptedDriver(`127.0.0.1:${(browser.address() as AddressInfo).port}`);
      driverPid = written.driverPid;
      const started = SessionSupervisor.start({ driverPath: written.driverPath, browserPath: process.execPath });
      const error = await rejectionOf(
        started.then(async (supervisor) => {
          const { state } = supervisor;
          await supervisor.stop();
          return state;
        }),
      );
      expect(error).to.be.instanceOf(SessionStartError);
      expect(error.message).to.match(/driver/);
    } finally {
      browser.closeAllConnections();
      await new Promise((resolve) => browser.close(resolve));
    }
  });
});

describe('SessionSupervisor: stopping', () => {
  it('sends one DELETE, ends, and halts with a session-ended error that is no death (R101)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const sessionId = supervisor.sessionId!;
    await supervisor.stop();
    expect(supervisor.state).to.equal('ended');
    expect(server.requestsFor(sessionId).map(({ method }) => method)).to.deep.equal(['DELETE']);
    expect(supervisor.signal.reason).to.be.instanceOf(SessionEndedError);
    expect(supervisor.health).to.include({ isAlive: false, deathDetected: false, death: null, cascadeCount: 0 });
    expect((await rejectionOf(supervisor.driver.getTitle())).message, 'selenium’s own words').to.contain('quit()');
    expect(await rejectionOf(supervisor.api.fetch('http://127.0.0.1:1/'))).to.be.instanceOf(SessionEndedError);
    expect(supervisor.isSessionDeathCascade()).to.equal(false);
  });

  it('does the work once however often it is asked, and announces one end', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const ended = spy();
    supervisor.on('session:ended', ended);
    await Promise.all([supervisor.stop(), supervisor.stop(), supervisor[Symbol.asyncDispose]()]);
    await supervisor.stop();
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
    expect(ended.args).to.deep.equal([[{ owner: 'anonymous', epoch: 1 }]]);
  });

  it('is over in time when the quit is never answered', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      server.answer('DELETE /session/:id', { fault: 'never' });
      const stopping = supervisor.stop();
      await server.waitForRequest('DELETE /session/:id');
      await clock.tickAsync(5_000);
      await stopping;
    } finally {
      clock.restore();
    }
    expect(supervisor.state).to.equal('ended');
  });

  it('takes a death before its own quit for a death, and ends all the same (R110)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const dead = spy();
    supervisor.on('session:dead', dead);
    const stopping = supervisor.stop();
    while (supervisor.state !== 'stopping') await Promise.resolve();
    kill(supervisor);
    await stopping;
    expect(supervisor.state).to.equal('dead');
    expect(dead.callCount).to.equal(1);
    expect(supervisor.signal.reason).to.be.instanceOf(SessionDeathError);
    expect(server.requests.filter(({ method }) => method === 'DELETE').length).to.be.at.most(1);
  });

  it('takes what is told after its own quit for no death (R103)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const hold = server.hold('DELETE /session/:id');
    const stopping = supervisor.stop();
    await hold.caught;
    server.dropConnections();
    await stopping;
    expect(supervisor.state).to.equal('ended');
    expect(supervisor.health.deathDetected).to.equal(false);
    hold.release();
  });

  it('cancels what a batch has left, and no worker is told of anything but the end (R105)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const hold = server.hold('DELETE /session/:id');
    const outcome = supervisor.batch(
      Array.from({ length: 20 }, (_, index) => index),
      (_item, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const stopping = supervisor.stop();
    await hold.caught;
    hold.release();
    await stopping;
    const { counts, stoppedBy, results } = await outcome;
    expect(counts).to.include({ total: 20, cancelled: 20 });
    expect(stoppedBy).to.be.instanceOf(SessionEndedError);
    expect(new Set(results.map((result) => (result.status === 'cancelled' ? result.error : result)))).to.have.property(
      'size',
      1,
    );
  });

  it('halts as soon as the quit is answered, before the processes are cleared away', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const states: string[] = [];
    supervisor.signal.addEventListener('abort', () => states.push(supervisor.state));
    await supervisor.stop();
    expect(states).to.deep.equal(['stopping']);
  });

  it('ends, halted and restartable, also where a folder could not be removed', async function () {
    this.timeout(60_000); // Two browsers.
    const log = makeRecordingLog();
    const supervisor = await SessionSupervisor.start({ log: log.log });
    const remove = stub(fsPromises, 'rm').rejects(new Error('EBUSY: resource busy'));
    syncBuiltinESMExports();
    try {
      await supervisor.stop();
    } finally {
      remove.restore();
      syncBuiltinESMExports();
    }
    for (const [folder] of remove.args) rmSync(String(folder), { recursive: true, force: true });
    expect(supervisor.state).to.equal('ended');
    expect(supervisor.shouldHaltOperations()).to.equal(true);
    expect(log.lines.join('\n')).to.contain('EBUSY');
    await supervisor.restart();
    expect(supervisor).to.include({ state: 'alive', epoch: 2 });
    await supervisor.stop();
    expect(remove.args.every(([folder]) => !existsSync(String(folder)))).to.equal(true);
  });
});

describe('SessionSupervisor: restarting', () => {
  it('begins a new epoch with a halt flag, counts and a driver of its own: the only way to reset (R102)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const { signal: firstSignal, driver: firstDriver, sessionId: firstId } = supervisor;
    kill(supervisor);
    await rejectionOf(supervisor.driver.getTitle());
    expect(supervisor.health).to.include({ deathDetected: true, cascadeCount: 1, shouldHalt: true });
    await supervisor.restart();
    expect(supervisor.health).to.include({
      isAlive: true,
      epoch: 2,
      deathDetected: false,
      deathAt: null,
      death: null,
      shouldHalt: false,
      cascadeCount: 0,
      parallelOperations: 0,
    });
    expect(supervisor.isSessionDeathCascade()).to.equal(false);
    expect(supervisor.sessionId).not.to.equal(firstId);
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
    expect(firstSignal.aborted).to.equal(true);
    expect(await rejectionOf(firstDriver.getTitle()), 'the old driver stays halted').to.equal(firstSignal.reason);
    expect(supervisor.health.cascadeCount, 'which is not charged to the new session').to.equal(0);
    expect(await supervisor.driver.getTitle()).to.contain('Title');
  });

  it('ends a session that is alive first, politely, and doesn’t charge that to the limit', async () => {
    await using scripted = await startScripted({ restartLimit: { limit: 1, windowMs: 600_000 } });
    const { supervisor, server } = scripted;
    for (let count = 0; count < 5; count++) await supervisor.restart();
    expect(supervisor).to.include({ state: 'alive', epoch: 6 });
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(5);
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
  });

  it('serialises what is asked at the same time: the last word counts, and one session is left at most', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    await Promise.allSettled([supervisor.restart(), supervisor.restart(), supervisor.stop(), supervisor.restart()]);
    expect(supervisor.state).to.equal('alive');
    expect(server.sessionIds).to.deep.equal([supervisor.sessionId]);
    await Promise.allSettled([supervisor.restart(), supervisor.stop()]);
    expect(supervisor.state).to.equal('ended');
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('gives up a start under way when it is stopped', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    kill(supervisor);
    const hold = server.hold('POST /session');
    const restarting = rejectionOf(supervisor.restart());
    await server.waitForRequest('POST /session', { count: 2 });
    const stopping = supervisor.stop();
    hold.release();
    await stopping;
    expect(await restarting).to.be.instanceOf(SessionEndedError);
    expect(supervisor.state).to.equal('dead');
    expect(server.sessionIds).to.deep.equal([]);
  });

  it('gives up the wait before a start when it is stopped', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    kill(supervisor);
    await supervisor.restart();
    kill(supervisor);
    const restarting = rejectionOf(supervisor.restart());
    await turn();
    await supervisor.stop();
    expect(await restarting).to.be.instanceOf(SessionEndedError);
    expect(server.requests.filter(({ path: sent }) => sent === '/session')).to.have.length(2);
    await supervisor.restart();
    expect(supervisor.state, 'a later restart is not touched by the stop').to.equal('alive');
  });

  for (const which of ['the supervisor’s own signal', 'the restart’s signal'] as const) {
    it(`gives up a start under way when ${which} aborts`, async () => {
      const own = new AbortController();
      const given = new AbortController();
      await using scripted = await startScripted({ signal: own.signal });
      const { supervisor, server } = scripted;
      kill(supervisor);
      const hold = server.hold('POST /session');
      const restarting = rejectionOf(supervisor.restart({ signal: given.signal }));
      await server.waitForRequest('POST /session', { count: 2 });
      const reason = new Error('Ctrl+C');
      (which === 'the restart’s signal' ? given : own).abort(reason);
      hold.release();
      expect(await restarting).to.equal(reason);
      expect(supervisor.state).to.equal('dead');
      expect(server.sessionIds).to.deep.equal([]);
    });
  }

  it('tries again, within the limit, when a start after a death fails (R108)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    kill(supervisor);
    server.answer('POST /session', failStart, { times: 2 });
    await supervisor.restart();
    expect(server.requests.filter(({ path: sent }) => sent === '/session')).to.have.length(4);
    expect(supervisor.health).to.include({ state: 'alive', epoch: 2, deathDetected: false });
  });

  it('gives up beyond the limit with the last failure as the cause, and stays dead (R108)', async () => {
    await using scripted = await startScripted({ restartLimit: { limit: 1, windowMs: 600_000 } });
    const { supervisor, server } = scripted;
    kill(supervisor);
    const reason = supervisor.signal.reason as Error;
    server.answer('POST /session', failStart);
    const error = await rejectionOf(supervisor.restart());
    expect(error).to.include({ code: 'restart-limit' });
    expect((error.cause as Error).message).to.contain('no more slots');
    expect(supervisor.state).to.equal('dead');
    expect(supervisor.signal.reason).to.equal(reason);
    expect(supervisor.health.deathDetected).to.equal(true);
    const again = await rejectionOf(supervisor.restart());
    expect(again.cause, 'no start was tried; the death is the cause').to.equal(reason);
  });

  it('tells the failure of a start at once where nothing had died', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    server.answer('POST /session', failStart);
    expect(await rejectionOf(supervisor.restart())).to.be.instanceOf(SessionStartError);
    expect(supervisor.state).to.equal('ended');
    await supervisor.stop();
  });

  it('announces each session with its number and id', async () => {
    await using scripted = await startScripted({ owner: 'anna' });
    const { supervisor } = scripted;
    const told: unknown[] = [];
    supervisor.on('session:started', (event) => told.push(event));
    supervisor.on('heartbeat', ({ epoch }) => told.push(epoch));
    kill(supervisor);
    await supervisor.restart();
    expect(told).to.deep.equal([{ owner: 'anna', epoch: 2, sessionId: supervisor.sessionId }, 2]);
  });
});

describe('SessionSupervisor: an action that quits by itself', () => {
  it('ends the epoch without a death, and tells later callers that the session was ended (R102)', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const dead = spy();
    const ended = spy();
    supervisor.on('session:dead', dead);
    supervisor.on('session:ended', ended);
    await supervisor.driver.quit();
    expect(supervisor.state).to.equal('ended');
    expect(supervisor.health).to.include({ deathDetected: false, shouldHalt: true, cascadeCount: 0 });
    expect(ended.callCount).to.equal(1);
    expect(dead.callCount).to.equal(0);
    expect(await rejectionOf(supervisor.api.json('http://shop.test/'))).to.be.instanceOf(SessionEndedError);
    expect((await rejectionOf(supervisor.driver.getTitle())).message, 'selenium’s own words').to.contain('quit()');
    const { counts, stoppedBy } = await supervisor.batch([1, 2], () => 1);
    expect(counts).to.include({ total: 2, cancelled: 2 });
    expect(stoppedBy).to.be.instanceOf(SessionEndedError);
    await supervisor.stop();
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
    await supervisor.restart();
    expect(supervisor).to.include({ state: 'alive', epoch: 2 });
  });

  it('takes the closing of the last window as a quit, and of another one as none (R103)', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    await supervisor.driver.switchTo().newWindow('tab');
    await supervisor.driver.close();
    expect(supervisor.state).to.equal('alive');
    const [left] = await supervisor.driver.getAllWindowHandles();
    await supervisor.driver.switchTo().window(left!);
    await supervisor.driver.close();
    expect(supervisor.state).to.equal('ended');
  });
});

describe('SessionSupervisor.attach', () => {
  it('watches a session that somebody else started, never ends it, and can’t restart it', async () => {
    await using other = await startScripted();
    const { sessionId } = other.supervisor;
    const supervisor = await SessionSupervisor.attach(other.server.url, sessionId!, { browserName: 'scripted' });
    expect(supervisor).to.include({ state: 'alive', epoch: 1, sessionId });
    expect(supervisor.capabilities['browserName']).to.equal('scripted');
    expect(await supervisor.driver.getTitle()).to.contain('Title');
    const refusal = await rejectionOf(supervisor.restart());
    expect(refusal).to.be.instanceOf(SessionStartError);
    expect(supervisor.state, 'and is not ended by the attempt').to.equal('alive');
    await supervisor.stop();
    expect(supervisor.state).to.equal('ended');
    expect(other.server.sessionIds).to.deep.equal([sessionId]);
    expect(other.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(0);
    expect(await other.supervisor.driver.getTitle(), 'its owner goes on').to.contain('Title');
  });

  it('never sends the DELETE when it declares the death either', async () => {
    await using other = await startScripted();
    const supervisor = await SessionSupervisor.attach(other.server.url, other.supervisor.sessionId!, {});
    kill(supervisor);
    await supervisor.stop();
    expect(other.server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(0);
  });

  it('rejects when there is no such session, instead of finding out a heartbeat later (R103)', async () => {
    await using server = await openScriptedWebDriver();
    const error = await rejectionOf(
      SessionSupervisor.attach(server.url, 'no-such-session', {}).then((supervisor) => supervisor.stop()),
    );
    expect(error).to.be.instanceOf(SessionStartError);
    expect(error.message).to.contain('invalid session id');
  });
});

/** Gone from the process table: this process has been told of its child's exit. */
async function untilReaped(pid: number): Promise<void> {
  while (killProcess(pid)) await turn();
}

function makeRecordingLog() {
  const lines: string[] = [];
  const write = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { error: write, warn: write, info: write, debug: write, child: () => log };
  return { lines, log };
}
