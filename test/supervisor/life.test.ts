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
  it('is alive, not halted and in epoch 1 after the start (R101)', async () => {
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

  it('aborts a start in progress when the given signal aborts, with its reason', async () => {
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

  /** Writes an executable that starts as chromedriver does, in front of a scripted server, and writes its process id to a file. */
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

  it('causes a start error, and no unwatched session, if the driver ends after the session was created (R103)', async () => {
    // The request for DevTools comes between the creation of the session and the end of the start. The server ends the driver then.
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
  it('sends one DELETE, ends, and halts with a session-ended error that is not a death (R101)', async () => {
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

  it('ends the session once, however often it is called, and emits one event', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const ended = spy();
    supervisor.on('session:ended', ended);
    await Promise.all([supervisor.stop(), supervisor.stop(), supervisor[Symbol.asyncDispose]()]);
    await supervisor.stop();
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(1);
    expect(ended.args).to.deep.equal([[{ owner: 'anonymous', epoch: 1 }]]);
  });

  it('asks the endpoint once more if the quit is not answered within 5 s', async () => {
    await using scripted = await startScripted();
    const { supervisor, server } = scripted;
    const clock = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      server.answer('DELETE /session/:id', { fault: 'never' }, { times: 1 });
      const stopping = supervisor.stop();
      await server.waitForRequest('DELETE /session/:id');
      await clock.tickAsync(6_000);
      await stopping;
    } finally {
      clock.restore();
    }
    expect(supervisor.state).to.equal('ended');
    expect(server.requests.filter(({ method }) => method === 'DELETE')).to.have.length(2);
  });

  it('declares a death that comes before its own quit, and still ends the session (R110)', async () => {
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

  it('declares no death for reports after its own quit (R103)', async () => {
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

  it('cancels the rest of a batch, and all workers get the session’s end as the reason (R105)', async () => {
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

  it('halts as soon as the quit is answered, before the processes are removed', async () => {
    await using scripted = await startScripted();
    const { supervisor } = scripted;
    const states: string[] = [];
    supervisor.signal.addEventListener('abort', () => states.push(supervisor.state));
    await supervisor.stop();
    expect(states).to.deep.equal(['stopping']);
  });

  it('ends, halted and restartable, even if a folder can’t be removed', async function () {
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

async function untilReaped(pid: number): Promise<void> {
  while (killProcess(pid)) await turn();
}

function makeRecordingLog() {
  const lines: string[] = [];
  const write = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { error: write, warn: write, info: write, debug: write, child: () => log };
  return { lines, log };
}
